"""Where tables are printed: as wide as the terminal, or wide enough for a pipe."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_WIDTH = 150


def console() -> Console:
    """A console on stdout; in a pipe or a file no cell is cut off."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def counted(number: int, noun: str) -> str:
    """A number of things, in good English.

    >>> counted(1, "event"), counted(2, "event")
    ('1 event', '2 events')
    """
    return f"{number} {noun}" + ("" if number == 1 else "s")


def shown(text: object) -> str:
    r"""A file's name as it can be printed: control characters and stray bytes spelled out.

    >>> shown("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
