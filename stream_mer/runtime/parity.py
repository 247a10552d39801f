"""Compares two ways of running one network, because a right build can still give wrong numbers."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log10

import numpy as np
from numpy.typing import NDArray

from stream_mer.protocols import Engine


@dataclass(frozen=True, slots=True)
class PictureTolerance:
    """How far uint8 pictures may differ and still count as the same network's work.

    Args:
        max_level: largest difference of one value, grey levels.
        max_share: largest share of values that differ at all, 0..1.
        min_psnr_db: smallest PSNR between the two, dB.
    """

    max_level: int
    max_share: float
    min_psnr_db: float


@dataclass(frozen=True, slots=True)
class LogitTolerance:
    """How far float outputs may differ.

    Args:
        max_abs: largest difference of one logit. If every logit moves by at most d, no probability
            moves by more than tanh(d) / 2.
        min_agreement: smallest share of decisions that are the same.
    """

    max_abs: float
    min_agreement: float = 0.99


F32_PICTURES = PictureTolerance(max_level=1, max_share=1e-3, min_psnr_db=75.0)
"""Both in f32: sums in another order differ by about 1e-6, which turns a value that lies on the edge
between two levels. One such value in a thousand is 78 dB. Measured: 4 in a million, 99 dB
(RRDB nf32 nb4 and compact nf32 x8, OpenVINO 2026.4 against ONNX Runtime 1.32)."""

BF16_PICTURES = PictureTolerance(max_level=16, max_share=1.0, min_psnr_db=45.0)
"""bf16 keeps 8 significant bits, so most values may move by a level. 45 dB is an rms of 1.4 levels;
beside a super-resolver's own, independent error of about 30 dB it changes the PSNR to the truth by
0.14 dB at most. 16 levels catch a broken spot that the mean would hide. Measured: 51.4 dB and 6 levels
(trained RRDB nf32 nb4, 16 portraits), 54 dB and 1 level on ``measurements.sample_batch``."""

FP16_PICTURES = PictureTolerance(max_level=16, max_share=1.0, min_psnr_db=50.0)
"""fp16 keeps 11 bits. Measured: 72 dB and 1 level (rrdb-light-x4, compact-x4, typed ONNX in ONNX Runtime)."""

INT8_PICTURES = PictureTolerance(max_level=64, max_share=1.0, min_psnr_db=38.0)
"""int8 (and fp8): 38 dB is an rms of 3.2 levels, and changes a PSNR of 30 dB to the truth by .6 dB. 64
levels catch broken spots (OpenVINO with signed activations: 110 levels, 27 dB). Measured on held-out
crops: 48 to 53 dB and 7 to 13 levels."""

F32_LOGITS = LogitTolerance(max_abs=1e-3)
"""Both in f32: a probability moves by at most 0.0005."""

BF16_LOGITS = LogitTolerance(max_abs=0.1)
"""bf16: a probability moves by at most 0.05."""

LOW_LOGITS = LogitTolerance(max_abs=0.5)
"""fp16, int8, fp8 on a GPU: at most one decision in a hundred may differ."""

TOLERANCES: dict[str, tuple[PictureTolerance, LogitTolerance]] = {
    "f32": (F32_PICTURES, F32_LOGITS),
    "bf16": (BF16_PICTURES, BF16_LOGITS),
    "fp16": (FP16_PICTURES, LOW_LOGITS),
    "int8": (INT8_PICTURES, LOW_LOGITS),
    "fp8": (INT8_PICTURES, LOW_LOGITS),
}
"""By precision: for pictures and for logits. A precision that is not here is held to bf16's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether two engines agree, and the figures behind it.

    ``psnr_db`` is infinite for identical outputs (and meaningless for logits: NaN). ``share`` is the
    share of values that differ. ``agreement`` is the share of items whose decision is the same;
    NaN for pictures.
    """

    ok: bool
    max_abs: float
    share: float
    psnr_db: float
    agreement: float
    reason: str


def tolerance_for(dtype: np.dtype[np.generic], precision: str) -> PictureTolerance | LogitTolerance:
    """The tolerance for outputs of ``dtype`` when the candidate computes in ``precision``."""
    pictures, logits = TOLERANCES.get(precision, TOLERANCES["bf16"])
    return pictures if dtype == np.uint8 else logits


def compare_pictures(
    reference: NDArray[np.generic], candidate: NDArray[np.generic], tolerance: PictureTolerance
) -> Verdict:
    """Verdict on uint8 pictures of equal shape, any number of them."""
    if reference.shape != candidate.shape or candidate.dtype != reference.dtype:
        return _misfit(reference, candidate)
    difference = np.abs(reference.astype(np.int16) - candidate.astype(np.int16))
    worst = int(difference.max(initial=0))
    share = float(np.count_nonzero(difference)) / max(1, difference.size)
    mse = float(np.square(difference, dtype=np.float64).mean()) if difference.size else 0.0
    psnr = inf if mse == 0 else 10 * log10(255**2 / mse)
    faults = []
    if worst > tolerance.max_level:
        faults.append(f"largest difference {worst} > {tolerance.max_level} levels")
    if share > tolerance.max_share:
        faults.append(f"{share:.2%} of values differ > {tolerance.max_share:.2%}")
    if psnr < tolerance.min_psnr_db:
        faults.append(f"{psnr:.1f} dB < {tolerance.min_psnr_db:g} dB")
    told = f"{psnr:.1f} dB, largest difference {worst}, in {share:.3%} of values" if worst else "identical"
    return Verdict(not faults, worst, share, psnr, float("nan"), "; ".join(faults) or told)


def compare_logits(
    reference: NDArray[np.generic], candidate: NDArray[np.generic], tolerance: LogitTolerance
) -> Verdict:
    """Verdict on float outputs ``(N, ...)``; the decision of an item is its largest value.

    A decision that flips counts as one, however close the reference's two best values were.
    """
    if reference.shape != candidate.shape or candidate.dtype != reference.dtype:
        return _misfit(reference, candidate)
    first = reference.reshape(len(reference), -1).astype(np.float64)
    second = candidate.reshape(len(candidate), -1).astype(np.float64)
    if not np.isfinite(second).all():
        return Verdict(False, inf, 1.0, float("nan"), 0.0, "not every output is a finite number")
    difference = np.abs(first - second)
    worst = float(difference.max(initial=0.0))
    share = float(np.count_nonzero(difference)) / max(1, difference.size)
    agreement = 1.0
    if first.size:
        agreement = float(np.mean(first.argmax(axis=1) == second.argmax(axis=1)))
    faults = []
    if worst > tolerance.max_abs:
        faults.append(f"largest difference {worst:.3g} > {tolerance.max_abs:g}")
    if agreement < tolerance.min_agreement:
        faults.append(f"only {agreement:.1%} of decisions agree")
    told = f"largest difference {worst:.2g}, {agreement:.1%} of decisions agree"
    return Verdict(not faults, worst, share, float("nan"), agreement, "; ".join(faults) or told)


def _misfit(reference: NDArray[np.generic], candidate: NDArray[np.generic]) -> Verdict:
    reason = f"{reference.dtype} {reference.shape} against {candidate.dtype} {candidate.shape}"
    return Verdict(False, inf, 1.0, float("nan"), 0.0, reason)


def compare_outputs(
    reference: tuple[NDArray[np.generic], ...], candidate: tuple[NDArray[np.generic], ...], precision: str
) -> Verdict:
    """Verdict on all outputs of one run: the first that fails, otherwise the worst of those that pass.

    Args:
        reference: outputs of the engine that is trusted, in f32.
        candidate: outputs of the other one.
        precision: what the candidate computes in; it sets the tolerance.
    """
    if len(reference) != len(candidate) or not reference:
        reason = f"{len(reference)} outputs against {len(candidate)}"
        return Verdict(False, inf, 1.0, float("nan"), 0.0, reason)
    verdicts = []
    for ours, theirs in zip(reference, candidate, strict=True):
        tolerance = tolerance_for(ours.dtype, precision)
        if isinstance(tolerance, PictureTolerance):
            verdicts.append(compare_pictures(ours, theirs, tolerance))
        else:
            verdicts.append(compare_logits(ours, theirs, tolerance))
    return min(verdicts, key=lambda verdict: (verdict.ok, -verdict.max_abs))


def compare_engines(reference: Engine, candidate: Engine, batch: NDArray[np.generic]) -> Verdict:
    """Run both engines on the same batch and compare; the precision is read from ``candidate.backend``.

    Raises:
        EngineError: one of them cannot run the batch.
    """
    return compare_outputs(reference.run(batch), candidate.run(batch), candidate.backend.rsplit(":", 1)[-1])
