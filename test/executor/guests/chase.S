# Follows pointers through its share of the guest's memory: one in every line of 64 bytes, linked into a single cycle
# whose order the hardware does not foresee. Reports how many it has followed (32 bits) through a port now and then.
#
# Line x leads to line (%r10 * x + %r11) mod (%r9 + 1), which is one cycle through all of them (Hull and Dobell: a power
# of two, multiplier 1 modulo 4, odd increment).
#
# In:  %r8 first byte of the share, %r9 its lines - 1, these a power of two, %r10 multiplier, %r11 increment,
#      %rdx the port, %rbx pointers between two reports - 1, these a power of two, %rcx 0 (the line, then the count).
# Assembled into chase.ts: as chase.S -o chase.o && objcopy -O binary -j .text chase.o chase.bin

        .code64
        .text
link:   mov     %rcx, %rdi
        imul    %r10, %rcx
        add     %r11, %rcx
        and     %r9, %rcx
        mov     %rcx, %rax
        shl     $6, %rdi
        shl     $6, %rax
        add     %r8, %rax
        mov     %rax, (%r8, %rdi)
        test    %rcx, %rcx
        jnz     link

        mov     %r8, %rdi
follow: mov     (%rdi), %rdi
        inc     %rcx
        test    %rbx, %rcx
        jnz     follow
        mov     %ecx, %eax
        out     %eax, %dx
        jmp     follow
