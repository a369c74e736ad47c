"""What was observed about the machine before navigation; one probe a module."""
