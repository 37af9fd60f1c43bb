# Reads 8 bytes at %rsi, adds 1 and writes them at %rdi; reads 2 bytes from the port %dx, adds 1 and writes them there; halts.
        .code64
        mov     (%rsi), %rax
        inc     %rax
        mov     %rax, (%rdi)
        in      %dx, %ax
        inc     %ax
        out     %ax, %dx
        hlt
