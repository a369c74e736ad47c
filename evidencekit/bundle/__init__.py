"""The container handed to a court: ASiC-E in a ZIP."""
