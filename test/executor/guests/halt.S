        .code64
        hlt
