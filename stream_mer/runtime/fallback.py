"""Keeps a run alive when the GPU does not: the same network goes on on the processor, and that is said."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import DeviceError
from stream_mer.protocols import Engine

log = logging.getLogger(__name__)


class FallbackEngine:
    """An engine that changes over to another one, once and for good, when its device fails.

    Attributes:
        counts: ``fallbacks`` (0 or 1) and ``runs_after`` (batches that the second engine ran).
        reason: what happened to the device; empty while it works.

    Args:
        first: builds the engine on the device.
        second: builds the one to go on with.
        tell: called with a sentence for the user when it changes over, besides the log.

    Raises:
        EngineError: the first cannot be built for another reason than its device, or neither can.
    """

    def __init__(
        self,
        first: Callable[[], Engine],
        second: Callable[[], Engine],
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._second, self._tell = second, tell
        self.counts: Counter[str] = Counter(fallbacks=0, runs_after=0)
        self.reason = ""
        try:
            self._engine = first()
        except DeviceError as error:
            self._change(error)

    def _change(self, error: DeviceError) -> None:
        self.reason = str(error).splitlines()[0]
        self.counts["fallbacks"] += 1
        self._engine = self._second()
        said = f"{self.name}: {self.reason}; going on with {self.backend}, which is slower"
        log.warning("%s", said)
        self._tell(said)

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def sha256(self) -> str:
        return self._engine.sha256

    @property
    def backend(self) -> str:
        """What runs now; it says so if it is not what was asked for."""
        return self._engine.backend

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        """Run a batch; the one during which the device fails is run again, so nothing is lost."""
        if self.counts["fallbacks"]:
            self.counts["runs_after"] += 1
            return self._engine.run(batch)
        try:
            return self._engine.run(batch)
        except DeviceError as error:
            self._engine.close()
            self._change(error)
        self.counts["runs_after"] += 1
        return self._engine.run(batch)

    def close(self) -> None:
        """Close whichever runs; idempotent."""
        self._engine.close()
