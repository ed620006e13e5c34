"""Which encoding a file of text has, found without a second copy of it."""

from __future__ import annotations

import codecs
import io

import numpy as np
import pyarrow as pa

UTF8, UTF8_MARKED, UTF16, CP1252 = "utf-8", "utf-8-sig", "utf-16", "cp1252"
MARKS = ((codecs.BOM_UTF8, UTF8_MARKED), (codecs.BOM_UTF16_LE, UTF16), (codecs.BOM_UTF16_BE, UTF16))
CONTROL = bytes(code for code in range(32) if code not in b"\t\n\v\f\r")
MOST_CONTROL = 0.01  # share of control characters that a UTF-8 text may have
CHARACTERS_LOOKED_AT = 64 * 1024
BYTES_LOOKED_AT = 4 * CHARACTERS_LOOKED_AT  # at most that many bytes hold them
STEP = 1024 * 1024  # bytes decoded at once; more than the characters that are looked at


def utf8(content: bytes, like: str | None = None) -> tuple[bytes, int, str] | None:
    """A file of text as UTF-8.

    The encoding is that of the byte order mark, else UTF-8, else that of `like`, else Windows-1252.

    Args:
        content: the file; UTF-8 is handed back as it is, because it may be large.
        like: encoding of the file that this one resembles.

    Returns:
        UTF-8, where in it the text begins (behind a mark), and the file's encoding; None where the bytes are no text.
    """
    marked = next((encoding for mark, encoding in MARKS if content.startswith(mark)), None)
    if marked == UTF16:
        return _decoded(content, UTF16)
    start = len(codecs.BOM_UTF8) if marked else 0
    if is_utf8(content) and _is_utf8_text(content, start):
        return content, start, marked or UTF8
    if marked:
        return None
    if like == UTF16:  # written without a mark: only one order of the bytes has line ends
        for order in ("utf-16-le", "utf-16-be"):
            found = _decoded(content, order)
            if found is not None and b"\n" in found[0]:
                return found[0], 0, UTF16
    return _decoded(content, CP1252)


def _decoded(content: bytes, encoding: str) -> tuple[bytes, int, str] | None:
    """Another encoding as UTF-8, piece by piece; None where it is not that, or no text."""
    decoder = codecs.getincrementaldecoder(encoding)()
    out = io.BytesIO()
    for start in range(0, len(content), STEP):
        try:
            text = decoder.decode(content[start : start + STEP], final=start + STEP >= len(content))
        except UnicodeDecodeError:
            return None
        most = 0.0 if encoding == CP1252 else MOST_CONTROL
        if "\0" in text or not (start or _has_few_controls(text, most)):
            return None
        out.write(text.encode())
    return out.getvalue(), 0, encoding


def is_utf8(content: bytes) -> bool:
    """Whether bytes are valid UTF-8; Arrow looks at them where they are, Python would make a copy."""
    ends = pa.py_buffer(np.array([0, len(content)], dtype=np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, ends, pa.py_buffer(content)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _is_utf8_text(content: bytes, start: int) -> bool:
    """Whether valid UTF-8 is text."""
    return b"\0" not in content and begins_as_text(content, start)


def begins_as_text(content: bytes, start: int) -> bool:
    """Whether valid UTF-8 begins as text, by its first `BYTES_LOOKED_AT` bytes behind a mark."""
    beginning = content[start : start + BYTES_LOOKED_AT].decode(errors="ignore")
    return _has_few_controls(beginning, MOST_CONTROL)


def _has_few_controls(text: str, most: float) -> bool:
    """Whether few characters are control characters; none may be where the encoding is a guess."""
    start = text[:CHARACTERS_LOOKED_AT].encode("utf-8", "replace")
    return len(start) - len(start.translate(None, CONTROL)) <= most * len(start)
