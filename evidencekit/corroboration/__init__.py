"""Whether the parts of one record tell the same: pure functions over what was recorded, for capture and verifier."""
