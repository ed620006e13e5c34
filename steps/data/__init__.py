"""Tables: bytes to frame (readers), frame to schema (profile), training file against test file (checks)."""
