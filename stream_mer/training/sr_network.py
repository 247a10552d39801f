"""A super-resolver in torch: built from its settings, read from a run, asked for pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stream_mer.errors import ConfigError
from stream_mer.training.checkpoint import UNREADABLE, Checkpoint, load_checkpoint
from stream_mer.training.compact import CompactNet, CompactSettings
from stream_mer.training.rrdb import RRDBNet, RRDBSettings, from_older_names
from stream_mer.training.sr_config import run_from_table
from stream_mer.types import ImageU8


def build_network(settings: RRDBSettings | CompactSettings) -> nn.Module:
    """The network of a run, freshly initialised from torch's current seed."""
    return RRDBNet(settings) if isinstance(settings, RRDBSettings) else CompactNet(settings)


def to_tensor(pictures: ImageU8) -> Tensor:
    """``(N, H, W, 3)`` uint8 to ``(N, 3, H, W)`` float32 in 0..1, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255


def to_pictures(batch: Tensor) -> ImageU8:
    """The inverse of ``to_tensor``: clamped, rounded half to even, as the exported engine does it."""
    rounded = (batch.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.asarray(rounded.permute(0, 2, 3, 1).contiguous().numpy())


def load_network(checkpoint: Path, ema: bool = True) -> tuple[nn.Module, Checkpoint]:
    """The trained network of a checkpoint, in evaluation mode."""
    state = load_checkpoint(checkpoint)
    net = build_network(run_from_table(state.config, str(checkpoint)).network)
    net.load_state_dict(state.ema if ema else state.weights)
    return net.eval(), state


def load_weights(file: Path) -> dict[str, Tensor]:
    """Weights to begin with: the averaged ones of a run's ``last.pt``, or published ones of ESRGAN.

    A published file holds a table of weights, as they are or under ``params_ema`` or ``params``, in any
    of the namings of ``rrdb.from_older_names``. No code is executed from the file.

    Raises:
        ConfigError: it is missing, or neither of the two.
    """
    try:
        table: Any = torch.load(file, map_location="cpu", weights_only=True)
        table = next((table[key] for key in ("ema", "params_ema", "params") if key in table), table)
        weights = {str(name): weight.float() for name, weight in table.items()}
        if not weights:
            raise ValueError("empty")
    except UNREADABLE as error:
        raise ConfigError(
            f"{file}: no weights to begin with ({type(error).__name__})\n"
            "Give the last.pt of a training run, or a published ESRGAN x4 file (.pth)."
        ) from error
    return from_older_names(weights)


def put_weights(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give ``net`` these weights.

    Raises:
        ConfigError: they are of another network.
    """
    ours = {name: tuple(weight.shape) for name, weight in net.state_dict().items()}
    theirs = {name: tuple(weight.shape) for name, weight in weights.items()}
    odd = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if odd:
        raise ConfigError(
            f"the weights to begin with are of another network: {odd[0]} is {theirs.get(odd[0])}, "
            f"not {ours.get(odd[0])}\nThe run's [network] must be as theirs ({len(odd)} layers differ)."
        )
    net.load_state_dict(dict(weights))


def open_device(name: str) -> torch.device:
    """The device of that name, once it has been used.

    Raises:
        ConfigError: there is none, or this torch cannot use it.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0][:100]
        raise ConfigError(f"device {name!r} cannot be used: {why}\nGive cpu, or cuda where it is.") from error
    return device


@torch.no_grad()
def super_resolve(net: nn.Module, lr: ImageU8, batch: int = 8, bf16: bool = False) -> ImageU8:
    """``(N, 32, 32, 3)`` uint8 to ``(N, 128, 128, 3)`` uint8 through a torch network."""
    out, device = [], next(net.parameters()).device
    for i in range(0, len(lr), batch):
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            out.append(to_pictures(net(to_tensor(lr[i : i + batch]).to(device)).float().cpu()))
    return np.concatenate(out)
