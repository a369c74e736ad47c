"""Findings to documents for people: certificate, report, instructions."""
