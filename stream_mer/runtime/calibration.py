"""Reads how a classifier's scores are to be understood: temperature, threshold, operating points."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from stream_mer.errors import EngineError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and what it buys: unmatched events a minute, and recall of injected events."""

    threshold: float
    far_per_minute: float
    recall: float


@dataclass(frozen=True, slots=True)
class ScoreCalibration:
    """What ``calibration/score/<engine>.toml`` holds.

    ``temperature`` divides the logits; ``threshold`` is the shipped operating point.
    """

    temperature: float
    threshold: float
    points: tuple[OperatingPoint, ...] = ()


def load_calibration(path: Path, engine_sha256: str) -> ScoreCalibration:
    """Read a calibration file and check that it belongs to this network.

    Raises:
        EngineError: missing, malformed, or made for another network file.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        points = tuple(
            OperatingPoint(float(p["threshold"]), float(p["far_per_minute"]), float(p["recall"]))
            for p in table.get("operating_point", ())
        )
        calibration = ScoreCalibration(float(table["temperature"]), float(table["threshold"]), points)
        made_for = str(table["engine_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"calibration {path.name} cannot be read: {error}\n"
            "Reinstall, or run scripts/calibrate_score.py for this classifier."
        ) from error
    if made_for != engine_sha256:
        raise EngineError(
            f"calibration {path.name} was made for network {made_for[:12]}, not {engine_sha256[:12]}.\n"
            "Run scripts/calibrate_score.py after every training."
        )
    if not (calibration.temperature > 0 and 0 < calibration.threshold < 1):
        raise EngineError(
            f"calibration {path.name}: temperature {calibration.temperature:g} or threshold "
            f"{calibration.threshold:g} makes no sense."
        )
    return calibration
