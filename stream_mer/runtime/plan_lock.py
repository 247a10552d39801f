"""Lets one process at a time build a plan; the others wait for it and then use what it built."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stream_mer.errors import OutputError
from stream_mer.runtime.plan_cache import ELSEWHERE

POLL_S = 0.2


@contextmanager
def reserved(plan: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Keep other processes from building ``plan`` inside the block.

    Two would spoil each other's timings of kernels, and one's page could end beside the other's plan,
    which then counts as damaged at every start. The system lets go of the lock when a process dies. On a
    file system without locks, as some network shares are, nobody waits.

    Args:
        plan: where it will lie.
        waiting: called again and again while another process has it; may raise to give up.

    Raises:
        OutputError: its folder cannot be written.
    """
    path = plan.with_suffix(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise OutputError(f"plan {plan}: {error.strerror}; {ELSEWHERE}") from error
    with lock:
        # Not one long wait: that could not be given up, as nothing raises in the middle of it.
        while not _taken(lock.fileno()):
            waiting()
            time.sleep(POLL_S)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # there are no locks here
        return True
    return True
