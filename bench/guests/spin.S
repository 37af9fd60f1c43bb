# Never leaves the guest.

        .code64
        .text
spin:   jmp     spin
