"""Decides when a lost connection is tried again; it neither waits nor connects itself."""

from __future__ import annotations

from dataclasses import dataclass

from stream_mer.capture.faults import SourceRefused
from stream_mer.errors import SourceError, SourceNotFound

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BackoffSettings:
    """Pauses between attempts, seconds: they double from ``first_s`` up to ``longest_s``.

    Each is shortened at random by up to ``jitter`` (0..1) of itself, but never below ``first_s``, so
    that many clients of one server do not all come back in the same instant. A connection that
    delivered for ``healthy_s`` starts the pauses over; one that dies sooner does not, or a camera
    that restarts in a loop would be hammered.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    jitter: float = 0.2
    healthy_s: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.longest_s:
            raise ValueError(f"need 0 < first_s <= longest_s, got {self.first_s}, {self.longest_s}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be in 0..1, got {self.jitter}")


class Backoff:
    """State machine of one connection: told what happened, it says how long to pause.

    Args:
        settings: Pauses.
    """

    def __init__(self, settings: BackoffSettings | None = None) -> None:
        self._settings = settings or BackoffSettings()
        self._failures = 0
        self._connected_ns: int | None = None

    def connected(self, now_ns: int) -> None:
        """The first frame of a connection has come."""
        self._connected_ns = now_ns

    def lost(self, now_ns: int, chance: float) -> int:
        """The connection ended, or an attempt failed.

        Args:
            now_ns: Present time.
            chance: A random number in 0..1 for the jitter.

        Returns:
            Time of the next attempt, ns on the same clock.
        """
        settings = self._settings
        since_ns, self._connected_ns = self._connected_ns, None
        if since_ns is not None and now_ns - since_ns >= settings.healthy_s * _NS_PER_S:
            self._failures = 0
        # The exponent is bounded, or days of trying would overflow a float.
        pause_s = min(settings.longest_s, settings.first_s * 2.0 ** min(self._failures, 64))
        self._failures += 1
        pause_s = max(settings.first_s, pause_s * (1 - settings.jitter * chance))
        return now_ns + round(pause_s * _NS_PER_S)


def is_final(error: SourceError, was_connected: bool) -> bool:
    """Whether trying again is pointless.

    Refused credentials are always final. A missing stream is final only if it was never there: relays
    answer "not found" while the camera behind them restarts.
    """
    if isinstance(error, SourceRefused):
        return True
    return isinstance(error, SourceNotFound) and not was_connected
