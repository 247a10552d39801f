"""The training loop of a super-resolver: pixel loss, EMA, log, curves, exact resume."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stream_mer.core.degradation import area, paper
from stream_mer.errors import ConfigError, OutputError, StageError
from stream_mer.training.adversary import Adversary
from stream_mer.training.checkpoint import Checkpoint, Ema, load_checkpoint, save_checkpoint
from stream_mer.training.consistency import inconsistency, views_at
from stream_mer.training.perceptual import FeatureDistance
from stream_mer.training.sr_batch import batch_at
from stream_mer.training.sr_config import SRRun, run_from_table, save_run, table_of
from stream_mer.training.sr_curves import append_row, plot_log
from stream_mer.training.sr_data import Pack, held_out, kept_for_choosing
from stream_mer.training.sr_network import build_network, open_device, put_weights, to_pictures, to_tensor
from stream_mer.types import ImageU8

log = logging.getLogger(__name__)


def mean_psnr(ours: ImageU8, truth: ImageU8) -> float:
    """PSNR in dB per picture over RGB, then the mean."""
    mse = ((ours.astype(np.float64) - truth) ** 2).mean((1, 2, 3))
    return float((10 * np.log10(255**2 / np.maximum(mse, 1e-12))).mean())


class SRTrainer:
    """Trains one run in ``folder``: ``run.toml``, ``last.pt``, ``log.csv``, ``curves.png``.

    ``train`` may be stopped at any step (``should_stop``) and called again in a new process: the
    pictures of a step depend on (seed, step) only and the optimiser's state is saved, so the
    resumed run makes the same weights.

    Args:
        run: what to train.
        pack: cut training pictures; those of held-out people only measure.
        folder: of the run; a ``last.pt`` in it is resumed.
        device: ``cpu`` or ``cuda``.
        teacher: network to learn from, if ``run.distil``.
        start: weights to begin with; the adversarial stage needs those of the PSNR stage.
        distance: perceptual distance, if ``run.gan.perceptual``.

    Raises:
        ConfigError: these do not fit together, the folder holds another run, the device cannot be used,
            or there is nobody to train on or to measure on.
        OutputError: the folder cannot be written.
    """

    def __init__(
        self,
        run: SRRun,
        pack: Pack,
        folder: Path,
        device: str = "cpu",
        *,
        teacher: nn.Module | None = None,
        start: Mapping[str, Tensor] | None = None,
        distance: FeatureDistance | None = None,
    ) -> None:
        if (run.distil > 0) != (teacher is not None):
            raise ConfigError(f"run {run.name}: distil = {run.distil} and a teacher go together, or neither")
        if any(one.split != "train" for one in pack.portraits):
            raise ConfigError(f"run {run.name}: the pack has people of another split than train")
        fresh = not (folder / "last.pt").exists()
        if run.gan is not None and start is None and fresh:
            raise ConfigError(
                f"run {run.name}: the adversarial stage begins with the first stage's weights\n"
                "Give --start FILE (the last.pt of the run on pixels alone)."
            )
        self.run, self.folder, self.device = run, folder, open_device(device)
        self.teacher = teacher.to(self.device).eval() if teacher is not None else None
        self.fit = pack.select(lambda p: not held_out(p.person) and run.sources.get(p.source, 0) > 0)
        self.weights = source_weights(self.fit, run)
        self.checks = np.ascontiguousarray(kept_for_choosing(pack).hr())
        torch.manual_seed(run.seed)
        self.net = build_network(run.network).to(self.device)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=run.schedule.rate, betas=(0.9, 0.99))
        if start is not None:
            put_weights(self.net, start)
        self.ema = Ema(self.net, run.ema)
        self.adversary = Adversary(run.gan, distance, self.device) if run.gan is not None else None
        self.step = 0
        if not fresh:
            self._resume(load_checkpoint(folder / "last.pt"))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_run(run, folder / "run.toml")
        except OSError as error:
            raise OutputError(f"{folder}: the run cannot be written: {error.strerror}") from error

    def train(self, should_stop: Callable[[], bool] = lambda: False) -> bool:
        """Go on to the last step, or until ``should_stop``; True if the run is complete."""
        run, started, first = self.run, time.monotonic(), self.step
        losses: list[float] = []
        while self.step < run.schedule.steps and not should_stop():
            losses.append(self._one_step())
            self.step += 1
            if self.step % 20 == 0:
                pace = (time.monotonic() - started) / (self.step - first)
                left = pace * (run.schedule.steps - self.step)
                print(
                    f"\r{run.name} {self.step}/{run.schedule.steps} loss {np.mean(losses[-100:]):.5f} "
                    f"{pace:.2f} s/step, {left / 60:.0f} min left  ",
                    end="",
                    flush=True,
                )
            if self.step % run.check_every == 0 or self.step == run.schedule.steps:
                self._check(float(np.mean(losses[-run.check_every :])), time.monotonic() - started)
        self.save()
        print()
        return self.step >= run.schedule.steps

    def save(self) -> None:
        """Write ``last.pt``."""
        optimiser, table = self.optimiser.state_dict(), table_of(self.run)
        rival = self.adversary.state() if self.adversary else {}
        state = Checkpoint(self.step, self.net.state_dict(), self.ema.weights, optimiser, table, rival)
        save_checkpoint(state, self.folder / "last.pt")

    def _one_step(self) -> float:
        run = self.run
        for group in self.optimiser.param_groups:
            group["lr"] = run.schedule.rate_at(self.step)
        drawn = (run.batch, run.seed, self.step, self.weights)
        maps = None
        if run.consistency is None:
            lr_u8, hr_u8 = batch_at(self.fit, run.mixture, *drawn)
        else:
            views = views_at(self.fit, run.mixture, run.consistency, *drawn)
            lr_u8, hr_u8, maps = views.lr, views.hr, views.maps
        lr, hr = to_tensor(lr_u8).to(self.device), to_tensor(hr_u8).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=run.bf16):
            sr = self.net(lr)
        distance = squared if run.schedule.squared_at(self.step) else charbonnier
        loss = distance(sr.float(), hr)
        if self.teacher is not None:
            with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=run.bf16):
                taught = self.teacher(lr).float()
            loss = (1 - run.distil) * loss + run.distil * distance(sr.float(), taught)
        if self.adversary is not None:
            loss = self.adversary.generator_loss(sr.float(), hr, pixel=loss)
        if run.consistency is not None and maps is not None:
            loss = loss + run.consistency.weight * inconsistency(sr.float(), maps, distance)
        if not isfinite(float(loss.detach())):
            raise StageError(
                f"run {run.name}: the loss is {float(loss.detach())} at step {self.step}\n"
                "What was saved before stays; lower schedule.rate and go on from there."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), run.clip)
        self.optimiser.step()
        if self.adversary is not None:
            self.adversary.learn(sr.float(), hr)
        self.ema.update(self.net, self.step)
        return float(loss.detach())

    def _check(self, loss: float, seconds: float) -> None:
        """PSNR of the averaged weights on held-out training people; log, curves, checkpoint."""
        own = {n: w.clone() for n, w in self.net.state_dict().items()}
        self.net.load_state_dict(self.ema.weights)
        self.net.eval()
        rate = self.run.schedule.rate_at(self.step - 1)
        row: dict[str, float] = {"step": self.step, "loss": loss, "rate": rate}
        for name, degrade in (("gaussian", paper), ("area", area)):
            lr = np.stack([degrade(p) for p in self.checks])
            sr = np.concatenate([self._infer(lr[i : i + 8]) for i in range(0, len(lr), 8)])
            row[f"psnr_{name}"] = mean_psnr(sr, self.checks)
        row["seconds"] = seconds
        self.net.load_state_dict(own)
        self.net.train()
        log.info(" ".join(f"{k}={v:.5g}" for k, v in row.items()))
        append_row(self.folder / "log.csv", row)
        plot_log(self.folder / "log.csv", self.folder / "curves.png")
        self.save()

    @torch.no_grad()
    def _infer(self, lr: ImageU8) -> ImageU8:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.run.bf16):
            return to_pictures(self.net(to_tensor(lr).to(self.device)).float().cpu())

    def _resume(self, state: Checkpoint) -> None:
        before = run_from_table(state.config, "checkpoint")
        wanted = self.run
        if (before.network, before.seed, before.gan) != (wanted.network, wanted.seed, wanted.gan):
            raise ConfigError(
                f"{self.folder}/last.pt is of another network, seed or stage\nUse another folder."
            )
        old, new = table_of(before), table_of(wanted)
        if changed := sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)):
            log.warning(
                "from step %d on with other settings than before: %s; run.toml tells the new ones only",
                state.step,
                ", ".join(changed),
            )
        self.net.load_state_dict(state.weights)
        self.optimiser.load_state_dict(state.optimiser)
        self.ema.weights = {n: w.to(self.device) for n, w in state.ema.items()}
        if self.adversary is not None:
            self.adversary.resume(state.adversary)
        self.step = state.step
        log.info("resumed at step %d", self.step)


def charbonnier(a: Tensor, b: Tensor) -> Tensor:
    """Smooth absolute error, ``sqrt(d^2 + 1e-6)`` with d in 0..1 grey levels."""
    return torch.sqrt((a - b).square() + 1e-6).mean()


def squared(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error, scaled to be as large as the absolute one near 28 dB."""
    return 15 * (a - b).square().mean()


def source_weights(pack: Pack, run: SRRun) -> NDArray[np.float64]:
    """Probability of each picture, so that every source gets its share of ``run.sources``."""
    names = np.array([p.source for p in pack.portraits])
    w = np.zeros(len(names))
    for source, share in run.sources.items():
        if (here := names == source).any():
            w[here] = share / here.sum()
        elif share > 0:
            log.warning("the pack has no picture of %s; the other sources take its share", source)
    if w.sum() <= 0:
        raise ConfigError(f"run {run.name}: the pack has no picture of {', '.join(run.sources)}")
    return np.asarray(w / w.sum())
