"""Where a ledger is published for strangers to read."""
