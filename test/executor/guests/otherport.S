# Writes to a port that nobody listens on: 0x80.
        .code64
        out     %al, $0x80
