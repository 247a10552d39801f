"""A super-resolver in torch: built from its settings, read from a run, asked for pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stream_mer.training.checkpoint import Checkpoint, load_checkpoint
from stream_mer.training.compact import CompactNet, CompactSettings
from stream_mer.training.rrdb import RRDBNet, RRDBSettings
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


@torch.no_grad()
def super_resolve(net: nn.Module, lr: ImageU8, batch: int = 8, bf16: bool = False) -> ImageU8:
    """``(N, 32, 32, 3)`` uint8 to ``(N, 128, 128, 3)`` uint8 through a torch network."""
    out, device = [], next(net.parameters()).device
    for i in range(0, len(lr), batch):
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            out.append(to_pictures(net(to_tensor(lr[i : i + batch]).to(device)).float().cpu()))
    return np.concatenate(out)
