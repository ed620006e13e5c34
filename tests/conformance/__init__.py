"""Every odd cell in every format at every door: one answer, in `tests/conformance.md`."""
