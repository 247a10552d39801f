"""Reads how a classifier's scores are to be understood: reading, threshold, operating points."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, isfinite, log
from pathlib import Path
from typing import Any

from stream_mer.core.baseline import RESTING
from stream_mer.core.reading import Reading
from stream_mer.errors import ConfigError, EngineError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SECOND_LOOK = re.compile(r"^[ \t]*\[[ \t]*second_look[ \t]*\].*\n(?:(?![ \t]*\[).*\n?)*", re.MULTILINE)
"""The table's header and all lines up to the next one."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and what it buys: unmatched events a minute, and recall of injected events."""

    threshold: float
    far_per_minute: float
    recall: float


@dataclass(frozen=True, slots=True)
class SecondReading:
    """How the scores of a second look are read, and from which frame rate on there is one."""

    reading: Reading
    min_fps: float


@dataclass(frozen=True, slots=True)
class ScoreCalibration:
    """What ``calibration/score/<engine>.toml`` holds.

    ``reading`` makes probabilities of the logits; ``usual_share`` of what a face usually gives beyond
    ``resting``, the log odds of a face at rest, is then taken off its scores (``core.baseline``);
    ``threshold`` is the shipped operating point. ``second_look`` is None where candidates are not looked at
    again (``core.second_look``).
    """

    reading: Reading
    threshold: float
    points: tuple[OperatingPoint, ...] = ()
    usual_share: float = 0.0
    second_look: SecondReading | None = None
    resting: float = RESTING

    @property
    def digest(self) -> str:
        """Identity of everything by which scores are understood; the threshold is told by itself."""
        told = repr((self.reading, self.usual_share, self.second_look, self.resting))
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def threshold_at(self, far_per_minute: float) -> float:
        """The threshold that gave so many false alarms a minute, between measured points by log odds.

        Raises:
            ConfigError: fewer or more alarms than any measured point.
        """
        points = sorted(self.points, key=lambda p: p.far_per_minute)
        if not points:
            raise ConfigError(
                f"--far {far_per_minute:g}: this classifier has no measured operating points.\n"
                "Use --threshold, or run scripts/calibrate_score.py."
            )
        low, high = points[0].far_per_minute, points[-1].far_per_minute
        if not low <= far_per_minute <= high:
            raise ConfigError(
                f"--far {far_per_minute:g} lies outside what was measured: {low:g} to {high:g} false alarms "
                "a minute.\nGive a number between them, or --threshold."
            )
        odds = [log(p.threshold / (1 - p.threshold)) for p in points]
        for i in range(1, len(points)):
            left, right = points[i - 1].far_per_minute, points[i].far_per_minute
            if far_per_minute <= right:
                share = (far_per_minute - left) / (right - left) if right > left else 1.0
                return 1 / (1 + exp(-(odds[i - 1] + share * (odds[i] - odds[i - 1]))))
        return points[-1].threshold


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
        again = table.get("second_look")
        calibration = ScoreCalibration(
            _reading(table),
            float(table["threshold"]),
            points,
            float(table.get("usual_share", 0.0)),
            SecondReading(_reading(again), float(again["min_fps"])) if again is not None else None,
            float(table.get("resting", RESTING)),
        )
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
    if not _sound(calibration):
        reading, again = calibration.reading, calibration.second_look
        second = "" if again is None else f", second look {again.reading} from {again.min_fps:g} fps"
        raise EngineError(
            f"calibration {path.name}: temperature {reading.temperature:g}, none_bias {reading.none_bias:g}, "
            f"threshold {calibration.threshold:g}, usual_share {calibration.usual_share:g} or resting "
            f"{calibration.resting:g}{second} makes no sense.\n"
            "Reinstall, or run scripts/calibrate_score.py for this classifier."
        )
    return calibration


def with_second_look(text: str, again: SecondReading) -> str:
    """The text of a calibration file with this second look at its end, in place of any other."""
    kept = _SECOND_LOOK.sub("", text).rstrip()
    rows = [
        "[second_look]  # made by scripts/calibrate_second_look.py on clips",
        f"min_fps = {again.min_fps:g}",
        f"temperature = {again.reading.temperature:.4f}",
        f"none_bias = {again.reading.none_bias:.4f}",
    ]
    return "\n".join([kept, "", *rows]) + "\n"


def _reading(table: Mapping[str, Any]) -> Reading:
    return Reading(float(table["temperature"]), float(table.get("none_bias", 0.0)))


def _sound(calibration: ScoreCalibration) -> bool:
    again = calibration.second_look
    readings = [calibration.reading, *([again.reading] if again else [])]
    return (
        all(r.temperature > 0 and isfinite(r.none_bias) for r in readings)
        and 0 < calibration.threshold < 1
        and 0 <= calibration.usual_share <= 1
        and isfinite(calibration.resting)
        and (again is None or 0 < again.min_fps < inf)
    )
