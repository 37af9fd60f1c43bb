# Firmware of a guest that writes a pattern into its memory from 1 MiB to 48 MiB and checks it, again and again, with another pattern
# each time and a pause of 0.2 s before the check. It writes a '.' to its serial port for each time that all of it was there, and a '!'
# when something was not.
#
# It lies in the last 256 bytes below 4 GiB, of which the last 16 are where a CPU starts.
# Assembled into pattern.ts: as pattern.S -o pattern.o && objcopy -O binary -j .text pattern.o pattern.bin

        .set    FIRST, 0x100000
        .set    LAST, 0x3000000
        .set    STRIDE, 256
        .set    IDT, 0x1000
        .set    VECTOR, 0x20
        .set    APIC, 0xfee00000
        .set    PAUSE, 200000000        # ticks of the APIC, of 1 ns
        .code16
        .text
start:  cli
        lgdtl   %cs:(gdtr - start + 0xff00)
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $8, $(flat - start + 0xffffff00)
        .code32
flat:   mov     $16, %al
        mov     %eax, %ds
        mov     %eax, %ss
        mov     $0x7000, %esp
        lidt    (idtr - start + 0xffffff00)
        movl    $(0x80000 + (awake - start + 0xff00)), IDT + VECTOR * 8
        movl    $0xffff8e00, IDT + VECTOR * 8 + 4
        mov     $(APIC), %ebp
        movl    $0x1ff, 0xf0(%ebp)
        movl    $VECTOR, 0x320(%ebp)
        mov     $0x3f8, %dx
        xor     %ebx, %ebx
next:   inc     %ebx
        mov     $FIRST, %edi
fill:   mov     %edi, %eax
        xor     %ebx, %eax
        mov     %eax, (%edi)
        add     $STRIDE, %edi
        cmp     $LAST, %edi
        jb      fill
        movl    $PAUSE, 0x380(%ebp)
        sti
        hlt
        cli
        mov     $FIRST, %edi
check:  mov     %edi, %eax
        xor     %ebx, %eax
        cmp     %eax, (%edi)
        jne     bad
        add     $STRIDE, %edi
        cmp     $LAST, %edi
        jb      check
        mov     $'.', %al
        out     %al, %dx
        jmp     next
bad:    mov     $'!', %al
        out     %al, %dx
        hlt
awake:  movl    $0, 0xb0(%ebp)
        iret
gdt     = . - 8
        .quad   0x00cf9b000000ffff, 0x00cf93000000ffff  # accessed, as nobody can write that into a ROM
gdtr:   .word   23
        .long   gdt - start + 0xffffff00
idtr:   .word   0x7ff
        .long   IDT
        .org    0xf0
        .code16
        jmp     start
