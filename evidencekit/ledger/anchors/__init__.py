"""Anchors: somebody else's word, with a time or a number of theirs, for a checkpoint."""
