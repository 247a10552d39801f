"""One engine for many cameras: a thread owns it, and runs what they ask in common, fair batches.

Nobody is made to wait for a batch to fill: while the engine runs, further requests gather, and the
next batch takes them all, up to its limit. So batches grow with the load, and a single camera has its
answer at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.sharing import share
from stream_mer.errors import EngineError, StreamMerError
from stream_mer.pipeline.timing import StageTimes, Stopwatch
from stream_mer.protocols import Engine

MAX_BATCH = 32
"""Most pictures in one batch: bounds how long anybody waits for the others."""
Open = Callable[[], Engine]


@dataclass(slots=True)
class _Request:
    """One camera's batch on its way through the engine, perhaps in several pieces."""

    batch: NDArray[np.generic]
    taken: int = 0
    pieces: list[tuple[NDArray[np.generic], ...]] = field(default_factory=list)
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


class SharedEngine:
    """Owner of one network's engine, or of several that do the same job at different cost.

    Args:
        name: of the thread.
        ladder: how to open the engines, the best first; all are opened in the owner's thread.
        max_batch: most pictures run at once.
    """

    def __init__(self, name: str, ladder: Sequence[Open], *, max_batch: int = MAX_BATCH) -> None:
        self._ladder = list(ladder)
        self._max_batch = max_batch
        self._changed = threading.Condition()
        self._waiting: dict[int, _Request] = {}
        self._turn: list[int] = []
        self._next = 0
        self._level = 0
        self._engines: list[Engine] = []
        self._failure: Exception | None = None
        self._closing = False
        self._ready = threading.Event()
        self.times = StageTimes()
        """How long each batch took."""
        self.batches = self.pictures = 0
        self._thread = threading.Thread(target=self._own, name=name, daemon=True)
        self._thread.start()

    @property
    def level(self) -> int:
        """Which engine of the ladder runs, 0 is the best."""
        return self._level

    @property
    def engine(self) -> Engine:
        """The one that runs now; waits until it is open.

        Raises:
            StreamMerError: it could not be opened.
        """
        self._ready.wait()
        if not self._engines:
            raise self._failure or _closed()
        return self._engines[self._level]

    def choose(self, level: int) -> None:
        """From the next batch on run that engine of the ladder (the last one, if there are fewer)."""
        with self._changed:
            self._level = min(level, len(self._ladder) - 1)

    def client(self) -> EngineClient:
        """An engine for one camera, to be used by one thread."""
        with self._changed:
            number, self._next = self._next, self._next + 1
            self._turn.append(number)
        return EngineClient(self, number)

    def close(self) -> None:
        """Answer nobody any more and close the engines; idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def run(self, number: int, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        """Run one camera's batch among the others'; waits for the answer. For ``EngineClient``."""
        request = _Request(batch)
        with self._changed:
            if self._closing or self._failure is not None:
                raise self._failure or _closed()
            self._waiting[number] = request
            self._changed.notify_all()
        request.done.wait()
        if request.error is not None:
            raise request.error
        return tuple(np.concatenate(parts) for parts in zip(*request.pieces, strict=True))

    def leave(self, number: int) -> None:
        """This camera asks no more. For ``EngineClient``."""
        with self._changed:
            if number in self._turn:
                self._turn.remove(number)

    def _own(self) -> None:
        try:
            for open_engine in self._ladder:
                self._engines.append(open_engine())
            self._ready.set()
            while (work := self._next_batch()) is not None:
                self._serve(*work)
        except Exception as error:  # noqa: BLE001  (the thread border: those who wait are told)
            self._failure = error
        finally:
            self._ready.set()
            with self._changed:
                self._closing = True
                waiting, self._waiting = list(self._waiting.values()), {}
            for request in waiting:
                request.error = self._failure or _closed()
                request.done.set()
            for engine in self._engines:
                engine.close()

    def _next_batch(self) -> tuple[Engine, dict[int, _Request], dict[int, int]] | None:
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            if self._closing:
                return None
            # An empty batch asks for one place too: somebody waits for the answer's shape.
            asked = {n: max(1, len(r.batch) - r.taken) for n, r in self._waiting.items()}
            given = share(asked, self._turn, self._max_batch)
            # Whoever was served goes to the end of the turn.
            self._turn = [n for n in self._turn if n not in given] + [n for n in self._turn if n in given]
            return self._engines[self._level], {n: self._waiting[n] for n in given}, given

    def _serve(self, engine: Engine, requests: dict[int, _Request], given: dict[int, int]) -> None:
        parts = {n: r.batch[r.taken : r.taken + given[n]] for n, r in requests.items()}
        try:
            with Stopwatch(self.times):
                outputs = engine.run(np.concatenate(list(parts.values())))
            start = 0
            for number, part in parts.items():
                requests[number].pieces.append(tuple(o[start : start + len(part)].copy() for o in outputs))
                start += len(part)
        except (StreamMerError, ValueError) as error:
            if len(parts) == 1:
                (request,) = requests.values()
                request.error = error
            else:  # one camera's bad input must not be the others' failure
                for number in parts:
                    self._serve(engine, {number: requests[number]}, {number: given[number]})
                return
        self.batches += 1
        self.pictures += sum(map(len, parts.values()))
        for number, request in requests.items():
            request.taken += len(parts[number])
            if request.error is not None or request.taken >= len(request.batch):
                with self._changed:
                    self._waiting.pop(number, None)
                request.done.set()


class EngineClient:
    """One camera's share of an engine; see ``protocols.Engine``."""

    def __init__(self, owner: SharedEngine, number: int) -> None:
        self._owner, self._number = owner, number
        self._open = True

    @property
    def name(self) -> str:
        return self._owner.engine.name

    @property
    def sha256(self) -> str:
        return self._owner.engine.sha256

    @property
    def backend(self) -> str:
        return self._owner.engine.backend

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        """Run a batch together with other cameras'; see ``protocols.Engine``."""
        if not self._open:
            raise _closed()
        return self._owner.run(self._number, batch)

    def close(self) -> None:
        """Leave; the engine goes on for the others. Idempotent."""
        if self._open:
            self._open = False
            self._owner.leave(self._number)


def _closed() -> EngineError:
    return EngineError("the shared engine is closed\nthis run is over; start a new one")
