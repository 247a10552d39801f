"""Turns a trained super-resolver into a network file that takes and gives plain uint8 pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from stream_mer.errors import ConfigError, OutputError
from stream_mer.training.checkpoint import Checkpoint
from stream_mer.training.sr_config import SRRun
from stream_mer.types import LR_SIZE

OPSET = 17
"""ONNX operator set: read by OpenVINO, ONNX Runtime and TensorRT from 8.6 on."""
CREDITS: Mapping[str, str] = {
    "london": "Face Research Lab London Set (CC BY 4.0, DeBruine & Jones 2017, "
    "doi 10.6084/m9.figshare.5047666)",
    "canada": "Canadian portraits (CC BY 4.0, DeBruine & Jones 2017, doi 10.6084/m9.figshare.4220517)",
    "congress": "portraits of the US Congress (public domain, GPO)",
    "sfhq": "SFHQ-T2I synthetic portraits (MIT, Beniaguev 2024)",
}
"""How the sources of the shipped engines are to be named."""


class PictureGraph(nn.Module):
    """``(N, 32, 32, 3)`` uint8 RGB to ``(N, 128, 128, 3)`` uint8 RGB around a network.

    Normalising, clamping and rounding (halves to even) happen inside the graph, that is on the
    device, so only 3 kB go in and 49 kB come out for a face.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, lr: Tensor) -> Tensor:
        sr: Tensor = self.net(lr.permute(0, 3, 1, 2).float() / 255)
        return (sr.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def write_onnx(net: nn.Module, file: Path) -> None:
    """Write ``net`` as ONNX with uint8 NHWC input ``lr``, output ``sr`` and a free batch size.

    Raises:
        OutputError: the file cannot be written.
    """
    graph = PictureGraph(net.float().to(memory_format=torch.contiguous_format)).eval()  # type: ignore[call-overload]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.onnx.export(
            graph,
            (torch.zeros(2, LR_SIZE, LR_SIZE, 3, dtype=torch.uint8),),
            str(file),
            input_names=["lr"],
            output_names=["sr"],
            dynamic_axes={"lr": {0: "N"}, "sr": {0: "N"}},
            opset_version=OPSET,
            do_constant_folding=True,
            dynamo=False,  # needs no further package and keeps the free batch size free
        )
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}") from error


def material(runs: Sequence[SRRun]) -> str:
    """Whose pictures the runs have seen, with the credit their licences ask for, or the source's name."""
    names = dict.fromkeys(name for run in runs for name, share in run.sources.items() if share > 0)
    return ", ".join(CREDITS.get(name, f"portraits {name!r}") for name in names) + "; training people only"


def stage_notes(stages: Sequence[Checkpoint], share: float, perceptual: str | None) -> dict[str, str]:
    """What a manifest says of a second network blended in and of adversarial stages.

    Args:
        stages: the checkpoint, and the one blended in if there is one.
        share: of the second.
        perceptual: the feature network an adversarial stage compared, where its checkpoint does not say.

    Raises:
        ConfigError: which feature network a stage compared is known from nowhere.
    """
    notes = {}
    if len(stages) > 1:
        notes["blend"] = f"share {share:g} of a second network, see blend_config.toml"
    for state in stages:
        if "gan" in state.config:
            named = state.adversary.get("perceptual") or perceptual
            if named is None:
                raise ConfigError(
                    "the file of the adversarial stage does not say which feature network it compared\n"
                    "Say it with --perceptual."
                )
            notes |= {"adversarial": f"{state.step} steps", "perceptual": named}
    return notes


def parameters(net: nn.Module) -> int:
    """Number of trained values."""
    return sum(p.numel() for p in net.parameters())


def gflop(net: nn.Module) -> float:
    """Arithmetic of the convolutions for one 32x32 face, in 10^9 operations (a multiply-add is two)."""
    total = 0

    def count(conv: nn.Module, _inputs: object, output: Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        per_value = conv.in_channels * conv.kernel_size[0] * conv.kernel_size[1]
        nonlocal total
        total += 2 * per_value * output.numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.no_grad():
            net(torch.zeros(1, 3, LR_SIZE, LR_SIZE))
    finally:
        for hook in hooks:
            hook.remove()
    return total / 1e9
