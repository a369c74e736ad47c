"""An append-only log in C2SP tlog formats."""
