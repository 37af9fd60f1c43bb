# Writes %ecx numbers, from %ecx down to 1, to the port %dx and to the address %rdi; then 0 to the exit port.
        .code64
next:   mov     %ecx, %eax
        out     %eax, %dx
        mov     %eax, (%rdi)
        loop    next
        xor     %eax, %eax
        out     %al, $0xf4
spin:   jmp     spin
