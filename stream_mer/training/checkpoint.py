"""Everything a training run needs to go on as if it had never stopped, in one file."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stream_mer.errors import ConfigError, OutputError

UNREADABLE: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    RuntimeError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    pickle.UnpicklingError,
)
"""What ``torch.load`` and unpacking raise on a file that is missing, cut short or something else."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after ``step`` steps."""

    step: int
    weights: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimiser: dict[str, Any]
    config: dict[str, Any]
    """The run as a plain table, see ``sr_config.table_of``."""
    adversary: dict[str, Any] = field(default_factory=dict)
    """The discriminator, its optimiser and the name of the perceptual network; empty in the PSNR stage."""


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write to a neighbour first and rename, so that a crash or a full disk leaves the old file whole.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_suffix(".part")
    state = {f.name: getattr(checkpoint, f.name) for f in fields(Checkpoint)}
    try:
        torch.save(state, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        why = str(error).splitlines()[0]
        raise OutputError(f"{path}: the checkpoint cannot be written: {why}\nThe last one stays.") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; tensors on the CPU, no code is executed from the file.

    Raises:
        ConfigError: there is no such file, or it is not a checkpoint.
    """
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except UNREADABLE as error:
        raise ConfigError(
            f"{path}: not a checkpoint ({type(error).__name__})\nGive the last.pt of a training run."
        ) from error


class Ema:
    """Moving average of a network's weights: smoother than the weights themselves, costs nothing to train."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {n: w.detach().clone() for n, w in net.state_dict().items()}

    def update(self, net: nn.Module, step: int) -> None:
        """Take in the weights after ``step``; early on the memory is short, so the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, weight in net.state_dict().items():
                self.weights[name].lerp_(weight, 1 - decay)
