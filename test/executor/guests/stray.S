# Stores where the page tables lead and no memory is: %rdi.
        .code64
        movl    $1, (%rdi)
