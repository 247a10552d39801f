"""Fit how a classifier's scores are to be read, on the tuning half of the real videos and on clips.

    python scripts/calibrate_score.py --data DATA --cache FOLDER --folds RUNS

The network was trained on the tuning half, so the videos are judged by networks that were trained
without the people in them (RUNS/<fold>, made with train_classifier.py --fold); the clips by the network
itself. DATA holds faces/ and videos/; FOLDER keeps what was watched (52 kB a face and frame), so that a
second run takes minutes only. Writes calibration/score/<classifier>.toml with temperature and bias, what a
face at rest gives, the thresholds that give 0.5 to 10 false alarms a minute of both and the shipped one
(--far) and the expected calibration error, the pictures reliability, precision-recall and alarms beside
it; prints which vetoes pay.
A second look stands in that file only once calibrate_second_look.py was run after it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from stream_mer.app.calibrating import (
    RATES,
    calibration_text,
    describe_points,
    describe_reliability,
    event_probabilities,
    fit_reading,
    operating_points,
    reliability,
    stated,
    veto_table,
)
from stream_mer.app.console import exit_code_of
from stream_mer.app.folds import run_folds
from stream_mer.app.material import STRESS, Material
from stream_mer.app.networks import pick_networks
from stream_mer.app.outputs import require_writable
from stream_mer.app.remembered import Answers
from stream_mer.app.resting import resting_log_odds
from stream_mer.app.trial import WAYS, Trial, count_trials, run_way, settings_of_way
from stream_mer.app.watched import Watched
from stream_mer.config import Settings
from stream_mer.core.decision import FLOOR
from stream_mer.core.operating import THRESHOLDS
from stream_mer.core.reading import Reading
from stream_mer.errors import ConfigError
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.calibration import ScoreCalibration
from stream_mer.training.spotting_figures import (
    Curve,
    draw_operating_curves,
    draw_precision_recall,
    draw_reliability,
)

NATIVE = "native crop"
FPS, CLIP_SECONDS = (30.0, 60.0, 120.0, 200.0), 96.0
"""Clips of people set aside (``core.splits.aside``), so long at each frame rate."""
FIRST = Reading(0.7, 1.2)
"""The first guess at how to read the logits: which scores become candidates hangs on it, but not much."""
AT_REST = ("cut", "edge", "gap")
"""Clips in which faces do nothing; heads move a little, pictures are cut, shifted or frozen."""
FAR = 1.5
"""False alarms a minute at the shipped threshold."""
ROUNDS = 2
"""How often the reading is fitted anew to the candidates that the last one gave."""


def calibrate(args: argparse.Namespace) -> None:
    """Measure, fit, write.

    Raises:
        ConfigError: a number that is none.
        OutputError: there is nowhere to write; both are said at once, not after the work.
    """
    if args.far not in RATES:
        rates = ", ".join(f"{rate:g}" for rate in RATES)
        raise ConfigError(f"--far {args.far:g} is not measured\ngive one of {rates} false alarms a minute")
    if args.seeds < 1:
        raise ConfigError(f"--seeds {args.seeds} leaves nothing to calibrate on\ngive 1 or more")
    require_writable(args.out)
    settings = Settings(engine=args.engine, classifier=args.classifier, assets=args.assets, threads=1)
    material = Material(args.data, args.cache, settings, AssetStore(args.assets))
    networks = {
        way: pick_networks(settings_of_way(way, settings), args.engines, uncalibrated=True) for way in WAYS
    }

    def stress(kinds: Sequence[str]) -> Iterator[Watched]:
        return (w for kind in kinds for w in material.stress(kind))

    def trials(way: str, read: ScoreCalibration) -> list[Trial]:
        watch = partial(material.videos, seeds=range(args.seeds + 1))
        chosen = replace(networks[way], calibration=read)
        return run_folds(watch, args.split, args.folds, way, settings, chosen, answers)

    def rested(read: ScoreCalibration) -> ScoreCalibration:
        chosen = replace(networks[NATIVE], calibration=read)
        native = settings_of_way(NATIVE, settings)
        return replace(read, resting=resting_log_odds(stress(AT_REST), native, chosen, answers))

    answers = Answers()
    read = rested(ScoreCalibration(FIRST, 0.5, usual_share=args.usual_share))
    for _ in range(ROUNDS):
        reading = read.reading.then(fit_reading(*stated(trials(NATIVE, read))))
        read = rested(replace(read, reading=reading))
    tuned = {way: trials(way, read) for way in WAYS}
    whole = replace(networks[NATIVE], calibration=read)
    watched = (w for fps in FPS for w in material.clips("tune", fps, CLIP_SECONDS))
    clips = run_way(watched, NATIVE, settings, whole)
    points = operating_points(tuned[NATIVE], clips)
    chosen = min(points, key=lambda p: abs(p.far_per_minute - args.far))
    shipped, classifier = chosen.threshold, networks[NATIVE].classifier
    judged = reliability(tuned[NATIVE])
    read = replace(read, threshold=shipped, points=points)
    text = calibration_text(classifier.sha256, read, judged)
    (args.out / f"{classifier.name}.toml").write_text(text, encoding="utf-8")
    curves = {way: Curve(count_trials(t, THRESHOLDS), shipped) for way, t in tuned.items()}
    said = {way: event_probabilities(t) for way, t in tuned.items()}
    stem, title = str(args.out / classifier.name), "tuning half of the real videos, events injected"
    draw_operating_curves(Path(f"{stem}.alarms.png"), curves, title)
    draw_precision_recall(Path(f"{stem}.precision-recall.png"), curves, title)
    how = f"temperature {read.reading.temperature:.3f}, bias {read.reading.none_bias:.3f}"
    draw_reliability(Path(f"{stem}.reliability.png"), said, f"{title}\n({how})")
    print(f"{how}, at rest {read.resting:.2f}, shipped threshold {shipped:.4f}", end=" ")
    print(f"({chosen.far_per_minute:g}/min)\n")
    if chosen.far_per_minute != args.far:
        print(
            f"note: {args.far:g} a minute has no threshold of its own; that of the nearest rate is shipped\n"
        )
    print(describe_points(tuned[NATIVE], clips, points))
    print("\n" + describe_reliability(tuned))
    events = tuned[NATIVE] + clips
    quiet = run_way(stress(STRESS), NATIVE, settings, whole)
    for threshold in (FLOOR, shipped):
        print("\n" + veto_table(events, quiet, threshold))


def main() -> int:
    """Run; 0 or the exit code of the error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with faces/ and videos/")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps what was watched")
    parser.add_argument("--folds", type=Path, required=True, help="folder with an engine for each fold")
    parser.add_argument("--split", type=Path, default=Path("calibration/score/videos.toml"))
    parser.add_argument("--out", type=Path, default=Path("calibration/score"))
    parser.add_argument("--classifier", default="auto")
    parser.add_argument("--engines", type=Path, help="folder of engines (default: the shipped ones)")
    parser.add_argument("--engine", default="rrdb-light-x4", help="super-resolution engine of the SR row")
    parser.add_argument("--seeds", type=int, default=12, help="injections per video")
    parser.add_argument("--far", type=float, default=FAR, help="false alarms a minute that are shipped")
    parser.add_argument("--usual-share", type=float, default=0.6, help="share of what is usual to take off")
    parser.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    args = parser.parse_args()
    return exit_code_of(lambda: calibrate(args))


if __name__ == "__main__":
    sys.exit(main())
