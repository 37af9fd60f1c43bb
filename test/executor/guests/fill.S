# Writes to every byte of its share of the guest's memory, in order, again and again: each time the number of times
# that it has been through before. Reports that number (32 bits) through a port each time.
#
# In:  %rdi = %r8 first byte of the share, %r9 its 8-byte words, %rdx the port, %rbx 0 (the count).
# Assembled into fill.ts: as fill.S -o fill.o && objcopy -O binary -j .text fill.o fill.bin

        .code64
        .text
next:   mov     %r8, %rdi
        mov     %r9, %rcx
        mov     %rbx, %rax
        rep stosq
        inc     %rbx
        mov     %ebx, %eax
        out     %eax, %dx
        jmp     next
