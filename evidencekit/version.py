"""The version of the library and of the formats it writes."""

__version__ = "0.1.0"
FORMAT_MAJOR = 1
"""Major version of every document format written by this release (see docs/spec/)."""
