"""Finds out why a file is not a video, so that the message can say what to do about it."""

from __future__ import annotations

import struct
from pathlib import Path

_HEAD_BYTES = 4096
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf")
_GENERIC = "its content is in no format FFmpeg knows, or damaged from the start"


def why_unreadable(path: Path) -> tuple[str, str]:
    """Look at a file FFmpeg refused.

    Returns:
        Why it cannot be read, and what to do.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        return "the file is empty (0 bytes)", "copy or record it again"
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free") and not _has_index(path):
        return (
            "the recording stopped before its index (the 'moov' box) was written",
            "repair it with a tool that rebuilds the index from a good clip of the same camera",
        )
    if head.startswith(_ARCHIVES):
        return "it is a compressed archive", "unpack it and give the video inside"
    if head.startswith(_PICTURES):
        return "it is a still picture", "give a video"
    if _is_text(head):
        return "it is a text file", "give a video; its name alone does not make it one"
    return _GENERIC, "play it elsewhere to see whether it is whole, or copy it again"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character cut at the end of the head is no fault
            return False
        text = head[: error.start].decode("utf-8")
    return all(char.isprintable() or char in "\r\n\t\f" for char in text)


def _has_index(path: Path) -> bool:
    """Walk the top-level boxes of an ISO file (ISO/IEC 14496-12, 4.2) looking for ``moov``."""
    size = path.stat().st_size
    offset = 0
    with path.open("rb") as file:
        while offset + 8 <= size:
            file.seek(offset)
            length, kind = struct.unpack(">I4s", file.read(8))
            if kind in (b"moov", b"moof"):
                return True
            if length == 1:
                extended = file.read(8)
                length = struct.unpack(">Q", extended)[0] if len(extended) == 8 else 0
            if length < 8:
                return False
            offset += length
    return False
