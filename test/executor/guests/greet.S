# Prints %ecx bytes from %rsi to the port %dx in one string instruction, then writes %bl to the exit port.
        .code64
        rep outsb
        mov     %ebx, %eax
        out     %al, $0xf4
spin:   jmp     spin
