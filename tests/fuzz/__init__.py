"""Fuzzing: one harness a parser of foreign bytes, one runner for all."""
