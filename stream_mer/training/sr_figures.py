"""What a super-resolver's manifest keeps of its evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream_mer.training.sr_evaluate import Quality
from stream_mer.training.sr_motion import Motion


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
