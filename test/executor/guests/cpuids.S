# Asks CPUID for %r8 pairs of leaf and index at %rsi, stores the four registers of each at %rdi, and halts.
        .code64
next:   mov     (%rsi), %eax
        mov     4(%rsi), %ecx
        cpuid
        mov     %eax, (%rdi)
        mov     %ebx, 4(%rdi)
        mov     %ecx, 8(%rdi)
        mov     %edx, 12(%rdi)
        add     $8, %rsi
        add     $16, %rdi
        dec     %r8
        jnz     next
        hlt
