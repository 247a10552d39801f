"""What the law wants said before people are watched: once per user, at the first live run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from platformdirs import user_state_path

from stream_mer.app.outputs import say

TEXT = """\
Notice: inferring emotions at work or in education is prohibited in the EU (AI Act, Art. 5(1)(f)),
and people watched elsewhere must be told (Art. 50(3)). A micro-expression is not a lie.
Nothing is stored unless asked for. (Shown once; see 'Before you point it at people' in the README.)"""
VERSION = "notice-1"
"""Grows when the text changes in substance; it is then shown again."""


def give_notice(folder: Path | None = None, tell: Callable[[str], None] = say) -> bool:
    """Give the notice unless this user has seen it; True if it was given.

    Args:
        folder: where that is remembered; the user's state folder if None. If it cannot be written,
            the notice comes every time.
        tell: says it.
    """
    mark = (folder or user_state_path("stream_mer")) / VERSION
    if mark.exists():
        return False
    tell(TEXT)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:
        pass
    return True
