"""A page and an HTTP endpoint that classify photos; what answers them is handed in, so no torch is needed here."""
