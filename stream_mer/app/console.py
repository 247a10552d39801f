"""What is said on a terminal: tables as wide as it is, or wide enough for a pipe, and errors."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console

from stream_mer.errors import StreamMerError

PIPE_WIDTH = 150


def console() -> Console:
    """A console on stdout; in a pipe or a file no cell is cut off."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def exit_code_of(work: Callable[[], object]) -> int:
    """0 when the work is done; if it fails, the exit code of the error, which is told on stderr."""
    try:
        work()
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


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
