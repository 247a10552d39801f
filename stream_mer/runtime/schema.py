"""What a manifest says about an engine, as values that check themselves.

An engine is a folder ``engines/<name>/`` with a network file and a ``manifest.toml``; the classes
here are that file in memory. Reading and writing it is ``runtime.manifest``'s work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path, PurePath
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import EngineError

TASKS: tuple[str, ...] = ("super-resolution", "classification", "other")
"""What an engine can be for; 'other' is a network of somebody else, such as the face mesh."""

DTYPES: tuple[str, ...] = ("uint8", "float32")
"""Element types an engine may take or give. uint8 both ways keeps copies small."""

NAME_PATTERN = r"[a-z0-9][a-z0-9._-]*"
"""An engine's name is its folder's name, so it must be a plain one everywhere."""

KEY_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
"""A key of ``[metrics]``, ``[preprocess]`` and ``[notes]``."""

Dim: TypeAlias = int | None
"""One dimension of a tensor; None is the batch, written "N" in the manifest."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise EngineError(message)


def _require_name(kind: str, name: str, pattern: str) -> None:
    _require(
        re.fullmatch(pattern, name) is not None,
        f"{kind} {name!r} is not a plain name; letters, digits and . _ - only",
    )


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape and element type of one input or output of a network.

    Args:
        name: what the network calls it.
        shape: dimensions; only the first may be None (the batch, any N >= 0).
        dtype: one of ``DTYPES``.
        layout: what the axes mean, one letter each, for people: ``NHWC``.
    """

    name: str
    shape: tuple[Dim, ...]
    dtype: str
    layout: str = ""

    def __post_init__(self) -> None:
        _require(bool(self.name), "a tensor has an empty name; give the name the network file uses")
        _require(self.dtype in DTYPES, f"tensor {self.name!r}: dtype {self.dtype!r} is not one of {DTYPES}")
        sizes = self.shape[1:] if self.batched else self.shape
        _require(
            len(self.shape) > 0 and all(isinstance(size, int) and size > 0 for size in sizes),
            f'tensor {self.name!r}: shape {self.shape} must be positive integers, the first may be "N"',
        )
        _require(
            len(self.layout) in (0, len(self.shape)),
            f"tensor {self.name!r}: layout {self.layout!r} must have {len(self.shape)} letters",
        )

    @property
    def batched(self) -> bool:
        """Whether the first dimension is free."""
        return len(self.shape) > 0 and self.shape[0] is None

    @property
    def numpy_dtype(self) -> np.dtype[np.generic]:
        """``dtype`` as NumPy's own type."""
        return np.dtype(self.dtype)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of ``shape`` is one of these."""
        return len(shape) == len(self.shape) and all(
            want is None or want == got for want, got in zip(self.shape, shape, strict=True)
        )

    def require(self, array: NDArray[np.generic], engine: str) -> None:
        """Check an array before it reaches a network, or after it left one.

        Raises:
            EngineError: not an array, or its dtype or shape differ.
        """
        if not isinstance(array, np.ndarray) or array.dtype != self.numpy_dtype or not self.fits(array.shape):
            got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise EngineError(f"engine {engine}: {self.name!r} must be {self}, got {got}")

    def empty(self) -> NDArray[np.generic]:
        """The answer to no input at all: a batch of zero."""
        return np.empty((0, *(size or 0 for size in self.shape[1:])), dtype=self.numpy_dtype)

    def __str__(self) -> str:
        return f"{self.dtype} ({', '.join('N' if size is None else str(size) for size in self.shape)})"


@dataclass(frozen=True, slots=True)
class Training:
    """Where a network comes from: enough to make it again and to know who may use it.

    Args:
        data: the training material, in words.
        licence: of that material and of the result.
        command: the exact command that trains it.
        seed: of every random choice.
        steps: optimizer steps done; 0 if not trained.
    """

    data: str
    licence: str
    command: str
    seed: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """One engine: what goes in, what comes out, how good it is, where it comes from.

    Args:
        name: the folder's name.
        task: one of ``TASKS``.
        version: of the trained weights, for people.
        inputs: the one input tensor.
        outputs: output tensors in the order ``Engine.run`` returns them.
        training: how it was made.
        file: network file inside ``folder``; empty if not trained.
        sha256: of that file, 64 lower-case hex digits; empty if not trained or not yet written.
        precision: of the weights in the file, e.g. ``f32``.
        parameters: number of weights.
        gflop: floating-point operations for one item, in 10^9.
        preprocess: what the caller does before ``run``, in words, by key.
        metrics: measured figures by name, finite numbers.
        notes: anything else worth reading, text by key.
        trained: False for a place-holder that says how to train it.
        folder: where it lies; None for one built in code.
    """

    name: str
    task: str
    version: str
    inputs: TensorSpec
    outputs: tuple[TensorSpec, ...]
    training: Training
    file: str = ""
    sha256: str = ""
    precision: str = "f32"
    parameters: int = 0
    gflop: float = 0.0
    preprocess: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    trained: bool = True
    folder: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _require_name("engine name", self.name, NAME_PATTERN)
        _require(self.task in TASKS, f"engine {self.name}: task {self.task!r} is not one of {TASKS}")
        _require(len(self.outputs) > 0, f"engine {self.name}: it needs at least one output")
        names = [spec.name for spec in self.outputs]
        _require(len(set(names)) == len(names), f"engine {self.name}: output names repeat: {names}")
        _require(
            self.parameters >= 0 and self.gflop >= 0 and isfinite(self.gflop),
            f"engine {self.name}: parameters and gflop must be finite and not negative",
        )
        for table in (self.preprocess, self.metrics, self.notes):
            for key in table:
                _require_name(f"engine {self.name}: key", key, KEY_PATTERN)
        for key, value in self.metrics.items():
            _require(isfinite(value), f"engine {self.name}: metric {key} is {value}, it must be finite")
        self._require_network()

    def _require_network(self) -> None:
        # A path in `file` could point anywhere; a manifest may only name its neighbour.
        _require(
            PurePath(self.file).name == self.file and "\\" not in self.file and self.file != "..",
            f"engine {self.name}: file {self.file!r} must be a plain file name beside the manifest",
        )
        if not self.trained:
            _require(
                not self.file and not self.sha256 and bool(self.training.command),
                f"engine {self.name}: with trained = false it has no file and no sha256, "
                "but training.command says how to make it",
            )
        else:
            _require(
                re.fullmatch(r"([0-9a-f]{64})?", self.sha256) is not None,
                f"engine {self.name}: sha256 {self.sha256!r} must be 64 lower-case hex digits",
            )

    @property
    def path(self) -> Path:
        """The network file.

        Raises:
            EngineError: there is none, because it is not trained or is built in code.
        """
        if not self.trained:
            raise EngineError(
                f"engine {self.name} is not trained: there is no network file\n"
                f"train it with: {self.training.command}"
            )
        if not self.file or self.folder is None:
            raise EngineError(f"engine {self.name} has no network file; it runs without one")
        return self.folder / self.file
