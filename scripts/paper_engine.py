"""The super-resolver of ``reproduce_paper.py``: the shipped one, or one trained on a dataset's people."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from stream_mer import load_super_resolver
from stream_mer.core.splits import Split
from stream_mer.training.paper_study import FaceClip, Upscale, frame_splits
from stream_mer.training.sr_config import load_run
from stream_mer.training.sr_data import PACK_SIZE, Pack, Portrait, held_out
from stream_mer.training.sr_train import SRTrainer, super_resolve

SOURCE = "dataset"


def resolver(
    args: argparse.Namespace, name: str, clips: list[FaceClip], stack: ExitStack
) -> tuple[Upscale, str]:
    """Super-resolution, shipped or trained here on this dataset, and its name for the report."""
    if args.train_sr is not None:
        return trained_upscaler(args.train_sr, args.steps, clips, args.out / f"{name}-sr", args.seed)
    engine = stack.enter_context(load_super_resolver(args.engine))
    return engine.upscale, f"`{engine.name}` as shipped; whom it was trained on is in its model card"


def trained_upscaler(
    config: Path, steps: int | None, clips: Sequence[FaceClip], folder: Path, seed: int
) -> tuple[Upscale, str]:
    """Train on the faces of the training people of the subject-disjoint split, and on nobody else.

    Args:
        config: TOML of the run, such as ``engines/rrdb-light-x4/train_config.toml``; its portraits are
            replaced by the dataset's faces.
        steps: instead of the file's number of steps.
        clips: all clips.
        folder: of the run; an unfinished one goes on.
        seed: of the split.
    """
    run = load_run(config)
    schedule = run.schedule
    if steps is not None:
        warm = min(schedule.warm_up, steps // 4)
        schedule = replace(schedule, steps=steps, warm_up=warm, decay=min(schedule.decay, steps - warm))
    run = replace(run, schedule=schedule, sources={SOURCE: 1.0}, seed=seed)
    trainer = SRTrainer(run, training_pack(clips, seed), folder)
    trainer.train()
    net = trainer.net.eval()
    what = f"`{run.name}`, {run.schedule.steps} steps on the people of the disjoint training part"
    return lambda lr: super_resolve(net, lr), what


def training_pack(clips: Sequence[FaceClip], seed: int) -> Pack:
    """The training people's faces; one of them only measures, under a name that is held out."""
    disjoint, owner = _disjoint(clips, seed)
    faces = [face for clip in clips for face in clip.faces]
    people = list(dict.fromkeys(owner[i].subject for i in disjoint.train))
    margin = (PACK_SIZE - faces[0].shape[0]) // 2
    pictures, portraits = [], []
    for i in disjoint.train:
        person = _named(owner[i].subject, held=owner[i].subject == people[-1])
        pictures.append(np.pad(faces[i], ((margin, margin), (margin, margin), (0, 0)), mode="reflect"))
        portraits.append(Portrait(f"{person}/{i}", person, SOURCE, "train"))
    return Pack(np.stack(pictures).astype(np.uint8), tuple(portraits))


def trained_on(args: argparse.Namespace, clips: Sequence[FaceClip]) -> frozenset[str]:
    """The people whose pictures a resolver trained here has seen; nobody's, where the shipped one serves."""
    if args.train_sr is None:
        return frozenset()
    disjoint, owner = _disjoint(clips, args.seed)
    return frozenset(owner[i].subject for i in disjoint.train)


def _disjoint(clips: Sequence[FaceClip], seed: int) -> tuple[Split, list[FaceClip]]:
    """The subject-disjoint split of the frames, and whose clip each frame is of."""
    return frame_splits(clips, seed)[1], [clip for clip in clips for _ in clip.faces]


def _named(subject: str, held: bool) -> str:
    """The subject with a suffix by which the trainer holds it out, or does not."""
    return next(name for n in count() if held_out(name := f"{subject}#{n}") is held)
