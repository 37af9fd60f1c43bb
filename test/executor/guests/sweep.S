# Adds 1 to the first word of each page from %rdi to %rsi, again and again, and never leaves the guest.
        .code64
again:  mov     %rdi, %rax
next:   incq    (%rax)
        add     $4096, %rax
        cmp     %rsi, %rax
        jb      next
        jmp     again
