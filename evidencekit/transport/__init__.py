"""HTTP, and nothing else: the only user of requests."""
