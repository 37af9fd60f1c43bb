# In real mode: stores its code segment at 0x500 and where it is at 0x502, and halts.
        .code16
        mov     %cs, %ax
        mov     %ax, 0x500
        call    here
here:   pop     %ax
        mov     %ax, 0x502
        hlt
