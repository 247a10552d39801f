"""What kept material was made of, as one digest: whatever was made of anything else is made anew.

A number published from faces that an older generator, tracker or video gave looks like any other number.
So what is kept says what it was made of: what was asked for, and the code that made it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
MAKERS = (
    "app/coded.py",
    "app/disturb.py",
    "app/injection.py",
    "app/portraits.py",
    "app/rendered.py",
    "app/through.py",
    "core/tracking.py",
    "face/choose.py",
    "face/gated.py",
    "face/mediapipe.py",
    "face/tiled.py",
    "face/zoomed.py",
)
"""What makes pictures and finds faces in them; what these use of their own rooms counts, too."""
ALONE = ("app/compose.py", "app/watched.py", "pipeline/steps.py")
"""Count by themselves: what the judging beside them uses changes no face."""
_ROOMS = ("synth", "face", "capture", "core")


def made_of(*asked: object) -> str:
    """Digest of what was asked for (by its ``repr``) and of the code that makes material."""
    return hashlib.sha256("\n".join([code_digest(), *map(repr, asked)]).encode()).hexdigest()


@cache
def code_digest() -> str:
    """Digest of the makers' code, comments left out."""
    digest = hashlib.sha256()
    for name in makers():
        digest.update(f"{name}\n{ast.unparse(_parsed(name))}\n".encode())
    return digest.hexdigest()


def makers() -> tuple[str, ...]:
    """The files whose code makes material, in order of names."""
    found, rest = set(ALONE), list(MAKERS)
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest += _used(name)
    return tuple(sorted(found))


def _used(name: str) -> Iterator[str]:
    for node in ast.walk(_parsed(name)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stream_mer."):
            parts = (node.module or "").split(".")[1:]
            file = "/".join(parts) + ".py"
            if parts[0] in _ROOMS and (PACKAGE / file).is_file():
                yield file


@cache
def _parsed(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
