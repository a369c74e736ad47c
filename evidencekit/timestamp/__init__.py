"""RFC 3161: ask for, issue, parse and check time-stamps."""
