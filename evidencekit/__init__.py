"""Preserve web pages as evidence that others can check offline."""
