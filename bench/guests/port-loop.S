# Writes one byte to a port, again and again: nothing but exits.
#
# In:  %rdx the port.
# Assembled into port-loop.ts: as port-loop.S -o port-loop.o && objcopy -O binary -j .text port-loop.o port-loop.bin

        .code64
        .text
        mov     $1, %al
next:   out     %al, %dx
        jmp     next
