"""Artifacts to a manifest: digests, canonical JSON, Merkle trees, salted leaves."""
