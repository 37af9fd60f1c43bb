# Halts, and again whenever it is woken.

        .code64
        .text
next:   hlt
        jmp     next
