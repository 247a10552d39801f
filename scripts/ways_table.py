"""What each way of running a super-resolver costs and gives: the table of ``calibrate.py``."""

from __future__ import annotations

import time
from contextlib import closing

import numpy as np

from stream_mer.core.degradation import paper
from stream_mer.core.metrics import psnr
from stream_mer.protocols import Engine
from stream_mer.runtime.machine import is_busy
from stream_mer.runtime.measurements import sample_batch, time_engine
from stream_mer.runtime.open import ways_to_run
from stream_mer.runtime.parity import compare_outputs
from stream_mer.runtime.schema import Manifest
from stream_mer.training.samples import Samples
from stream_mer.training.sr_evaluate import Upscaler
from stream_mer.training.sr_motion import measure_motion
from stream_mer.types import ImageU8

MOTION_FACES = 12
TIMING_NS, BATCHES = 2_000_000_000, (1, 8)
COLUMNS = (
    ["way", "dB from f32", "worst, levels", "PSNR, dB", "motion slope", "floor, LR px", "luma, levels"]
    + [f"CPU ms a face in {size}" for size in BATCHES]
    + ["gate"]
)


def compare_ways(manifest: Manifest, samples: Samples, threads: int) -> str:
    """Markdown: every way this machine can run an engine, against f32, the truth, motion and the clock.

    Args:
        manifest: the engine.
        samples: crops; those to judge by are used, the truth of them through the paper's degradation.
        threads: of the processor.
    """
    held = samples.part("judge")
    hr = held.hr[np.array([row.kind in ("crop", "paper") for row in held.rows])]
    lr = np.stack([paper(one) for one in hr])
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    reference: ImageU8 | None = None
    for way in ways_to_run(manifest, threads=threads):
        with closing(way.open()) as engine:
            upscale = _upscaler(engine)
            ours = upscale(held.lr)
            reference = ours if reference is None else reference
            verdict = compare_outputs((reference,), (ours,), way.precision)
            true = np.mean([psnr(a, b) for a, b in zip(hr, upscale(lr), strict=True)])
            motion = measure_motion(hr[:MOTION_FACES], lambda one, _: paper(one), {"": upscale})[""]
            times = [_ms(engine, manifest, size) for size in BATCHES]
        figures = [f"{verdict.psnr_db:.1f}", f"{verdict.max_abs:.0f}", f"{true:.2f}", f"{motion.slope:.3f}"]
        figures += [f"{motion.floor:.4f}", f"{motion.luma:.2f}", *(f"{ms:.2f}" for ms in times)]
        lines.append(f"| {way} | {' | '.join(figures)} | {'passed' if verdict.ok else 'refused'} |")
    if is_busy():
        lines.append("\nOthers used the machine meanwhile, which makes even CPU time some tenths longer.")
    return "\n".join(lines)


def _upscaler(engine: Engine) -> Upscaler:
    return lambda lr: np.asarray(engine.run(lr)[0], np.uint8)


def _ms(engine: Engine, manifest: Manifest, size: int) -> float:
    # CPU time, not the clock: with one thread it is what the clock shows on a machine that nobody else uses.
    batch, now = sample_batch(manifest.inputs, size), time.process_time_ns
    return time_engine(engine, batch, limit_ns=TIMING_NS, budget_ms=1e3, now_ns=now)[0] / size
