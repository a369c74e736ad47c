"""Bytes to signatures: CAdES for seals, signed notes for the ledger."""
