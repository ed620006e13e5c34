"""The one script of report and comparison, which sorts their tables, and the policy under which it may run."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

SCRIPT = (Path(__file__).parent / "templates" / "sort.js").read_text(encoding="utf-8")
# Plots whose rows are in no order that means something.
SORTED = frozenset({"classes", "frontier", "importance", "slices"})


def source() -> str:
    """The script as a Content-Security-Policy allows it: by the hash of what stands between its tags."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
