"""How an archive is worked through, as the user says it."""

from __future__ import annotations

from dataclasses import dataclass

from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.runtime.machine import engine_threads


@dataclass(frozen=True, slots=True)
class How:
    """How an archive is worked through.

    ``resume`` goes on where an earlier run into the same folder ended; ``restart`` forgets what it did.
    ``workers`` is the number of processes (on a cluster: actors, None for one a CPU). ``ray`` is the
    address of a cluster. ``fail_fast`` stops at the first input that fails. ``evidence`` keeps, per event,
    the source's pictures around it and what is needed to get it again.
    """

    resume: bool = False
    restart: bool = False
    fail_fast: bool = False
    evidence: bool = False
    workers: int | None = None
    ray: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers {self.workers} is not possible.\nGive 1 or more.")
        if self.resume and self.restart:
            raise ConfigError("--resume and --restart contradict each other.\nGive one of them.")

    @property
    def several(self) -> bool:
        """Whether more than one piece may be done at a time."""
        return self.ray is not None or (self.workers or 1) > 1

    def threads(self, settings: Settings) -> int:
        """Threads of each engine: what the user says, or this worker's share of the cores less one.

        A worker on a cluster has one core, whatever this machine has. What an engine answers does not
        depend on it, to the last bit.
        """
        if settings.threads is not None:
            return settings.threads
        return 1 if self.ray is not None else engine_threads(self.workers or 1)
