"""Where tables are printed: as wide as the terminal, or wide enough for a pipe."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_WIDTH = 150


def console() -> Console:
    """A console on stdout; in a pipe or a file no cell is cut off."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
