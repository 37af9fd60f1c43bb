# Two vCPUs hand a number to and fro through shared memory: each waits until it is its turn, which the number's lowest
# bit says, and adds 1. Reports the number (32 bits) through a port now and then.
#
# In:  %rdi the number's address, 0 there at first, %rbx which of the two this is (0 or 1), %rdx the port,
#      %rcx hand-overs between two reports of each - 2, these a power of two.
# Assembled into ping-pong.ts: as ping-pong.S -o ping-pong.o && objcopy -O binary -j .text ping-pong.o ping-pong.bin

        .code64
        .text
wait:   pause
next:   mov     (%rdi), %rax
        mov     %eax, %r8d
        and     $1, %r8d
        cmp     %ebx, %r8d
        jne     wait
        inc     %rax
        mov     %rax, (%rdi)
        test    %rcx, %rax
        jnz     next
        out     %eax, %dx
        jmp     next
