"""The command line; one folder like Go's cmd/."""
