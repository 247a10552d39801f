"""``load_super_resolver`` and ``load_classifier``: the two networks, for programs."""

from __future__ import annotations

from types import TracebackType

import numpy as np

from stream_mer.app.networks import pick_networks
from stream_mer.config import Settings
from stream_mer.core.reading import Reading
from stream_mer.errors import ConfigError
from stream_mer.protocols import Engine
from stream_mer.types import HR_SIZE, LR_SIZE, ArrayF64, ImageU8, Window


class SuperResolver:
    """Low-resolution faces in, four times larger faces out. One thread at a time; close it.

    Attributes:
        reason: why this network was chosen.
    """

    def __init__(self, engine: Engine, reason: str) -> None:
        self._engine = engine
        self.reason = reason

    @property
    def name(self) -> str:
        """Name of the network."""
        return self._engine.name

    @property
    def backend(self) -> str:
        """What runs it: library, device, precision."""
        return self._engine.backend

    def upscale(self, lr: ImageU8) -> ImageU8:
        """Super-resolve faces.

        Args:
            lr: ``(N, 32, 32, 3)`` uint8 RGB, N may be 0.

        Returns:
            ``(N, 128, 128, 3)`` uint8 RGB, owned by the caller.

        Raises:
            ConfigError: another shape or dtype.
        """
        _require(lr, (LR_SIZE, LR_SIZE, 3), "lr")
        (hr,) = self._engine.run(lr)
        return hr.astype(np.uint8, copy=False)

    def close(self) -> None:
        """Free the network; idempotent."""
        self._engine.close()

    def __enter__(self) -> SuperResolver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Classifier:
    """Judges windows of three face pictures. One thread at a time; close it.

    ``threshold`` is the shipped one. The product does not compare it with the answer to one window: what is
    usual for a face is taken off first (``core.baseline``), and where frames lie close the mean of several
    windows about an event counts (``core.decision.seen_again``).
    """

    def __init__(self, engine: Engine, reading: Reading, threshold: float) -> None:
        self._engine = engine
        self._reading = reading
        self.threshold = threshold

    @property
    def name(self) -> str:
        """Name of the network."""
        return self._engine.name

    def classify(self, window: Window | ImageU8) -> ArrayF64:
        """Calibrated probabilities that the window shows each micro-expression, or none.

        Args:
            window: a ``Window``, or ``(N, 3, 128, 128, 3)`` uint8 RGB: mean pictures before, at and
                after the supposed event.

        Returns:
            ``(6,)`` for a ``Window``, else ``(N, 6)``: the labels of ``stream_mer.types.LABELS``, then
            'none'; rows sum to 1.

        Raises:
            ConfigError: another shape or dtype.
        """
        if isinstance(window, Window):
            probabilities: ArrayF64 = self.classify(window.pictures[None])[0]
            return probabilities
        _require(window, (3, HR_SIZE, HR_SIZE, 3), "window")
        logits = self._engine.run(window)[0]
        return self._reading.probabilities(logits)

    def close(self) -> None:
        """Free the network; idempotent."""
        self._engine.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load_super_resolver(name: str = "auto", settings: Settings | None = None) -> SuperResolver:
    """Open a super-resolution network.

    Args:
        name: an engine's name (``stream-mer engines list``), ``bicubic``, or ``auto`` for the best that
            keeps up on this machine.
        settings: backend and threads; defaults are the product's.

    Raises:
        EngineError: unknown or untrained engine, or its file does not match its manifest.
    """
    settings = settings or Settings()
    networks = pick_networks(
        Settings(engine=name, backend=settings.backend, device=settings.device, threads=settings.threads)
    )
    return SuperResolver(networks.open_super_resolver(), networks.reason)


def load_classifier(name: str = "auto", settings: Settings | None = None) -> Classifier:
    """Open a classifier network; arguments and errors as for ``load_super_resolver``."""
    settings = settings or Settings()
    networks = pick_networks(
        Settings(
            engine="bicubic",
            classifier=name,
            backend=settings.backend,
            device=settings.device,
            threads=settings.threads,
        )
    )
    calibration = networks.calibration
    return Classifier(networks.open_classifier(), calibration.reading, calibration.threshold)


def _require(array: ImageU8, item: tuple[int, ...], what: str) -> None:
    if array.dtype != np.uint8 or array.ndim != len(item) + 1 or array.shape[1:] != item:
        wanted = ", ".join(str(n) for n in item)
        raise ConfigError(f"{what} must be uint8 (N, {wanted}), got {array.dtype} {array.shape}.")
