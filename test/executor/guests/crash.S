# An invalid instruction without an interrupt table: a triple fault.
        .code64
        ud2
