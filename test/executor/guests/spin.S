# Never leaves the guest.
        .code64
spin:   jmp     spin
