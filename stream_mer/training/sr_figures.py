"""What a super-resolver's manifest keeps of its evaluation, and whether small motions survive the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream_mer.training.sr_evaluate import Quality
from stream_mer.training.sr_motion import Motion

SLOPES = (0.9, 1.1)
"""An engine before the classifier must find motions within this share of what was put in."""
MOST_FLOOR_PX = 0.036
"""LR px that a still face may seem to move on `area` pictures with noise of two levels. The noise itself
allows 0.035 (``sr_bound``, engines/README.md); bicubic and the shipped engines lie at 0.032 to 0.034."""


def figures(name: str, rows: Sequence[Quality], motion: Mapping[str, Motion]) -> dict[str, float]:
    """The metrics a manifest keeps: every degradation and source of this engine, and bicubic beside it."""
    kept: dict[str, float] = {}
    for row in rows:
        if row.method in (name, "bicubic"):
            key = f"{row.source}.{row.degradation.replace(', ', '_')}"
            suffix = "" if row.method == name else "_bicubic"
            kept[f"{key}.psnr{suffix}"] = round(row.psnr, 3)
            kept[f"{key}.ssim{suffix}"] = round(row.ssim, 4)
            kept[f"{key}.mse{suffix}"] = round(row.mse, 6)
    for degradation in ("area, gaussian", "area"):
        figure = motion[f"{name} ({degradation})"]
        key = f"motion.{degradation.replace(', ', '_')}"
        faithful = figure.slope / motion["HR itself"].slope
        kept |= {f"{key}.slope": round(faithful, 3), f"{key}.floor_px": round(figure.floor, 4)}
        kept |= {
            f"{key}.smallest_px": round(figure.smallest, 3),
            f"{key}.luma_noise": round(figure.luma, 3),
            f"{key}.tof_px": round(figure.flow, 4),
            f"{key}.warping": round(figure.warping, 3),
        }
    return kept


def motion_faults(kept: Mapping[str, float]) -> list[str]:
    """What keeps an engine from feeding the classifier, as phrases; none if it bends and damps nothing.

    Args:
        kept: its figures, see ``figures``; a manifest's ``metrics``.
    """
    faults = []
    for degradation in ("area_gaussian", "area"):
        slope = kept[f"motion.{degradation}.slope"]
        if not SLOPES[0] <= slope <= SLOPES[1]:
            faults.append(f"slope {slope:.2f} on {degradation} is outside {SLOPES[0]}..{SLOPES[1]}")
    floor = kept["motion.area.floor_px"]
    if not floor <= MOST_FLOOR_PX:
        faults.append(f"floor {floor:.4f} LR px on area is above {MOST_FLOOR_PX}")
    return faults
