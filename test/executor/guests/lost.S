# Goes on where the page tables lead and no memory is: %rdi.
        .code64
        jmp     *%rdi
