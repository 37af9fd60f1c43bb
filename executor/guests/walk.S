# Walks over its share of the guest's memory, again and again. In each page it stores how many pages it has visited
# and the next number of a linear congruential sequence, and reports the count (32 bits) through a port.
#
# In:  %rdi = %r8 first byte of the share, %r9 the byte after its last, %rdx the port,
#      %rcx 0 (the count), %rbx the seed, %r10 and %r11 multiplier and increment.
# Assembled into walk.ts: as walk.S -o walk.o && objcopy -O binary -j .text walk.o walk.bin

        .code64
        .text
next:   imul    %r10, %rbx
        add     %r11, %rbx
        inc     %rcx
        mov     %rcx, (%rdi)
        mov     %rbx, 8(%rdi)
        mov     %ecx, %eax
        out     %eax, %dx
        add     $4096, %rdi
        cmp     %r9, %rdi
        jb      next
        mov     %r8, %rdi
        jmp     next
