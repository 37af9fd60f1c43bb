# The vCPU whose number (%rcx) is 1 crashes, the others never leave the guest.
        .code64
        dec     %rcx
        jrcxz   crash
spin:   jmp     spin
crash:  ud2
