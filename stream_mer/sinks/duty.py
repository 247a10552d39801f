"""Settles which of several processes with one queue does the sending: the first, until it ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":

    def take_duty(path: Path) -> BinaryIO | None:
        """There is no such lock here: everybody sends, and an event may arrive twice."""
        return path.open("ab")

else:
    import fcntl

    def take_duty(path: Path) -> BinaryIO | None:
        """Take the duty that the file ``path`` stands for, without waiting.

        Args:
            path: made if need be; it stays.

        Returns:
            What to close to give it back (the system does so when a process dies); None: another has it.

        Raises:
            OSError: the file cannot be opened.
        """
        file = path.open("ab")
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file
