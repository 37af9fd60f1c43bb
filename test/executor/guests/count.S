# Counts in memory at %rdi, and never leaves the guest.
        .code64
next:   incq    (%rdi)
        jmp     next
