"""Blobs: bundles and captures kept by their SHA-256, in a directory or in a bucket with Object Lock."""
