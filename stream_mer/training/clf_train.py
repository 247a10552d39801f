"""Trains the classifier on measured windows, for a fixed time: no epoch is chosen."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stream_mer.errors import ConfigError
from stream_mer.training.clf_data import NONE
from stream_mer.training.clf_draw import Drawer, Mix, augment, summed
from stream_mer.training.clf_judge import Judgement, Table, judge
from stream_mer.training.clf_net import (
    CLASSES,
    FEATURES,
    WIDTHS,
    BothWays,
    EventNet,
    FlowFeatures,
    Judge,
)


@dataclass(frozen=True, slots=True)
class ClassifierSettings:
    """Everything a training run depends on besides the packs; saved beside the weights."""

    seed: int = 1
    epochs: int = 2
    batch: int = 128
    rate: float = 2e-3
    weight_decay: float = 0.02
    smoothing: float = 0.04
    dropout: float = 0.4
    negatives_per_positive: float = 3.0
    memory: float = 0.998
    """Decay of the moving average of the weights, per step; the average is what is judged and kept."""
    real_share: float = 0.5
    """Share of the drawn negatives that come from real video."""
    summed: float = 0.0
    """Share of the windows of real video that are sums with windows of clips."""
    bf16: bool = True
    """Multiply in bfloat16 while training: three times as fast on processors that have it."""
    extent_weight: float = 0.3
    """Weight of the extents' error beside the classes' cross entropy."""
    features: tuple[str, ...] = FEATURES
    widths: tuple[int, int, int] = WIDTHS
    """Channels of the three convolution layers."""

    def __post_init__(self) -> None:
        if not 0 <= self.summed <= 1:
            raise ConfigError(f"summed = {self.summed:g} is no share.\nGive 0 to 1.")
        for name in ("features", "widths"):  # TOML has lists only
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def mix(self) -> Mix:
        """What a batch is made of."""
        return Mix(self.batch, self.negatives_per_positive, self.real_share, self.summed)


def outputs_of(
    net: Judge, raw: NDArray[np.generic], columns: Tensor, batch: int = 256
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits ``(N, 6)`` and extents ``(N, 3)`` of raw windows, judged as the engine judges them."""
    features, both = FlowFeatures(), BothWays(net, columns).eval()
    logits, extents = [np.zeros((0, len(CLASSES)), np.float32)], [np.zeros((0, 3), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(raw), batch):
            x = torch.from_numpy(raw[start : start + batch].astype(np.float32))
            one, two = both(features(x))
            logits.append(one.numpy())
            extents.append(two.numpy())
    return np.concatenate(logits), np.concatenate(extents)


def scores_of(net: Judge, raw: NDArray[np.generic], columns: Tensor) -> NDArray[np.float32]:
    """Logits ``(N, 6)`` of raw windows."""
    return outputs_of(net, raw, columns)[0]


def extents_of(table: Table) -> NDArray[np.float32]:
    """``(N, 3)``: how far onset, apex and offset of the event lie from where each window supposes them.

    In window lengths, at most half a one; 0 where there is no event.
    """
    centre, length, onset, apex, offset = (
        table[name].astype(np.float64)
        for name in ("centre_ns", "duration_ns", "onset_ns", "apex_ns", "offset_ns")
    )
    away = np.stack([onset - (centre - length / 2), apex - centre, offset - (centre + length / 2)], 1)
    found = np.where((table["target"] != NONE)[:, None], away / length[:, None], 0.0)
    return np.clip(found, -0.5, 0.5).astype(np.float32)


def train(
    table: Table,
    settings: ClassifierSettings,
    out: Path,
    *,
    stop_after: int | None = None,
) -> Path:
    """Train on the rows of part ``train`` and return the file of the averaged weights.

    Writes ``log.csv`` (how people set aside are judged after each epoch: parts ``choose`` of clips and
    ``held`` of real video, which decide nothing), ``config.json``, ``last.pt`` (to resume from) and
    ``net.pt`` into ``out``.

    Args:
        table: the window packs.
        settings: how to train.
        out: folder of the run; a run that is already there is continued.
        stop_after: end before this epoch, to continue another time.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(settings), indent=1) + "\n")
    torch.manual_seed(settings.seed)  # of the first weights; each epoch is seeded again below
    columns = torch.tensor([FEATURES.index(name) for name in settings.features])
    net, features = EventNet(len(columns), settings.dropout, settings.widths), FlowFeatures()
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    drawer = Drawer(table, settings.mix)
    raw_of, extents = table["raw"], extents_of(table)
    many = np.concatenate([next(drawer.epoch(np.random.default_rng(i)))[0] for i in (0, 1)])
    x = features(torch.from_numpy(raw_of[many].astype(np.float32)))[:, columns]
    net.scale.copy_(1.0 / (x.square().mean((0, 2, 3)).sqrt() + 1e-3).view(1, -1, 1, 1))
    average = get_ema_multi_avg_fn(settings.memory)  # type: ignore[no-untyped-call]
    mean = AveragedModel(net, multi_avg_fn=average)  # what is judged and kept
    optimiser = torch.optim.AdamW(net.parameters(), settings.rate, weight_decay=settings.weight_decay)
    steps = sum(1 for _ in drawer.epoch(np.random.default_rng(0))) * settings.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.rate, total_steps=steps, pct_start=0.15
    )
    start = 0
    if (out / "last.pt").is_file():
        state = torch.load(out / "last.pt", weights_only=True)
        net.load_state_dict(state["net"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        start = state["epoch"]
    held = {part: np.flatnonzero(table["part"] == part) for part in ("choose", "held")}
    for epoch in range(start, min(settings.epochs, stop_after or settings.epochs)):
        generator = torch.Generator().manual_seed(settings.seed * 1000 + epoch)
        torch.manual_seed(settings.seed * 1000 + epoch)  # dropout
        net.train()
        losses = []
        for rows, added in drawer.epoch(np.random.default_rng((settings.seed, epoch))):
            drawn = torch.from_numpy(raw_of[rows].astype(np.float32))
            both = added >= 0
            drawn[both] = summed(drawn[both], torch.from_numpy(raw_of[added[both]].astype(np.float32)))
            raw, extent = augment(drawn, torch.from_numpy(extents[rows]), generator)
            target = torch.from_numpy(table["target"][rows].astype(np.int64))
            x = features(raw)[:, columns].to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
                logits, found = net(x)
            loss = F.cross_entropy(logits.float(), target, label_smoothing=settings.smoothing)
            event = (target != NONE).float()[:, None]
            error = F.smooth_l1_loss(found.float(), extent, reduction="none", beta=0.1)
            loss = loss + settings.extent_weight * (error * event).sum() / event.sum().clamp(min=1)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            mean.update_parameters(net)
            losses.append(float(loss.detach()))
        kept = mean.module
        assert isinstance(kept, EventNet)
        clips, real = (judge(scores_of(kept, raw_of[r], columns), table["target"][r]) for r in held.values())
        _log(out / "log.csv", epoch, float(np.mean(losses)), clips, real)
        about = {"features": list(settings.features), "widths": list(settings.widths)}
        torch.save({"net": kept.state_dict(), **about}, out / "net.pt")
        state = {
            "net": net.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
        }
        torch.save({**state, "mean": mean.state_dict(), "epoch": epoch + 1}, out / "last.pt")
    return out / "net.pt"


def load_net(file: Path) -> tuple[EventNet, Tensor]:
    """A trained network and the columns of ``FEATURES`` it looks at."""
    state = torch.load(file, weights_only=True)
    columns = torch.tensor([FEATURES.index(name) for name in state["features"]])
    net = EventNet(len(columns), widths=tuple(state["widths"]))
    net.load_state_dict(state["net"])
    return net.eval(), columns


def _log(file: Path, epoch: int, loss: float, found: Judgement, real: Judgement) -> None:
    row = {"epoch": epoch, "loss": round(loss, 4)} | {k: round(v, 4) for k, v in asdict(found).items()}
    row["real_average_precision"] = round(real.average_precision, 4)
    fresh = not file.is_file()
    with file.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, list(row))
        if fresh:
            writer.writeheader()
        writer.writerow(row)
