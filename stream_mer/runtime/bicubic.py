"""Bicubic interpolation dressed as an engine: always there, and the line a network must beat."""

from __future__ import annotations

from hashlib import sha256

import cv2
import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import EngineError
from stream_mer.runtime.schema import Manifest, TensorSpec, Training
from stream_mer.types import HR_SIZE, LR_SIZE

RECIPE = "cv2.resize(lr, (128, 128), interpolation=cv2.INTER_CUBIC), RGB uint8 32x32 -> 128x128, version 1"
"""What it does, in words; its sha256 stands where a network's digest would."""

BICUBIC = Manifest(
    name="bicubic",
    task="super-resolution",
    version="1",
    inputs=TensorSpec("lr", (None, LR_SIZE, LR_SIZE, 3), "uint8", "NHWC"),
    outputs=(TensorSpec("sr", (None, HR_SIZE, HR_SIZE, 3), "uint8", "NHWC"),),
    training=Training(data="none", licence="Apache-2.0", command="none: nothing is learnt"),
    sha256=sha256(RECIPE.encode()).hexdigest(),
    precision="u8",
    notes={"recipe": RECIPE},
)
"""Manifest of the built-in engine; it lies in no folder and has no figures of its own."""


def version() -> str:
    """OpenCV's version."""
    return str(cv2.__version__)


class BicubicEngine:
    """Super-resolution without a network: ``(N, 32, 32, 3)`` to ``(N, 128, 128, 3)``, uint8 RGB."""

    def __init__(self) -> None:
        self._open = True

    @property
    def name(self) -> str:
        return BICUBIC.name

    @property
    def sha256(self) -> str:
        return BICUBIC.sha256

    @property
    def backend(self) -> str:
        return "opencv:cpu:u8"

    @property
    def manifest(self) -> Manifest:
        """What is running."""
        return BICUBIC

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        """Enlarge a batch; see ``protocols.Engine``."""
        if not self._open:
            raise EngineError("engine bicubic is closed; open it again to use it")
        BICUBIC.inputs.require(batch, BICUBIC.name)
        enlarged = np.empty((len(batch), HR_SIZE, HR_SIZE, 3), dtype=np.uint8)
        for lr, sr in zip(batch, enlarged, strict=True):
            cv2.resize(lr, (HR_SIZE, HR_SIZE), dst=sr, interpolation=cv2.INTER_CUBIC)
        return (enlarged,)

    def close(self) -> None:
        """Idempotent; there is nothing to free."""
        self._open = False
