"""Fit how the classifier's second look at a candidate is to be read, on clips of people set aside.

    python scripts/calibrate_second_look.py --data DATA --cache FOLDER

From MIN_FPS frames a second on the classifier is shown each candidate again (stream_mer/core/second_look.py).
Run it after calibrate_score.py, whose file it completes: temperature and bias of the second look go into
calibration/score/<classifier>.toml, threshold and false alarms a minute stay those of the first. DATA holds
faces/; FOLDER keeps what was watched (52 kB a face and frame). Prints what both looks find.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stream_mer.app.calibrating import fit_reading, reliability, stated
from stream_mer.app.console import exit_code_of
from stream_mer.app.material import Material
from stream_mer.app.networks import pick_networks
from stream_mer.app.outputs import require_writable
from stream_mer.app.remembered import Answers
from stream_mer.app.spotting_report import curve_row
from stream_mer.app.trial import Trial, run_way, settings_of_way
from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.calibration import SecondReading, with_second_look
from stream_mer.runtime.shipped import calibration_root

NATIVE = "native crop"
FPS = (50.0, 60.0, 120.0, 200.0)
MIN_FPS = 45.0
"""At 25 to 30 fps a second look finds no more (calibration/score/README.md), from 50 fps on it does."""
ROUNDS = 3
"""How often the reading is fitted anew to the candidates that the last one gave."""


def calibrate(args: argparse.Namespace) -> None:
    """Measure, fit, write.

    Raises:
        ConfigError: not one clip is asked for.
        OutputError: there is nowhere to write; both are said at once, not after the work.
    """
    if not args.clip_seconds > 0:
        raise ConfigError(
            f"--clip-seconds {args.clip_seconds:g} leaves nothing to calibrate on\ngive 12 or more"
        )
    require_writable(args.out)
    settings = Settings(classifier=args.classifier, assets=args.assets, engine="bicubic", threads=1)
    settings = settings_of_way(NATIVE, settings)
    material = Material(args.data, args.cache, settings, AssetStore(args.assets))
    networks, answers = pick_networks(settings), Answers()
    calibration = networks.calibration

    def judged(again: SecondReading | None) -> dict[str, list[Trial]]:
        read = replace(networks, calibration=replace(calibration, second_look=again))
        rates: dict[str, list[Trial]] = {}
        for fps in FPS:
            clips = material.clips("tune", fps, args.clip_seconds)
            rates[f"{fps:g} fps"] = run_way(clips, NATIVE, settings, read, answers)
            print(f"judged {fps:g} fps", file=sys.stderr, flush=True)
        return rates | {"all": [t for trials in rates.values() for t in trials]}

    first, reading = judged(None), calibration.reading
    for _ in range(ROUNDS):
        seen = twice_seen(judged(SecondReading(reading, MIN_FPS))["all"])
        reading = reading.then(fit_reading(*stated(seen)))
        print(f"temperature {reading.temperature:.4f}, bias {reading.none_bias:.4f}", flush=True)
    again = SecondReading(reading, MIN_FPS)
    second = judged(again)
    file = calibration_root() / "score" / f"{networks.classifier.name}.toml"
    text = with_second_look(file.read_text(encoding="utf-8"), again)
    (args.out / file.name).write_text(text, encoding="utf-8")
    print("| clips | look | recall at 0.5 / 1 / 2 / 5 / 10 a minute | F1 | recall | unmatched/min |")
    print("|---" * 6 + "|")
    for rate in first:
        for look, trials in (("first", first[rate]), ("second", second[rate])):
            print(f"| {rate} | {look} | {curve_row(trials, calibration.threshold)} |")
    seen = twice_seen(second["all"])
    print(
        f"\n{sum(len(t.candidates) for t in seen)} of {sum(len(t.candidates) for t in second['all'])} "
        "candidates were seen twice"
    )
    wrong = reliability(seen)
    print(f"expected calibration error {wrong.shipped}, read by what the others give {wrong.left_out}")


def twice_seen(trials: Sequence[Trial]) -> list[Trial]:
    """The trials with those candidates only that had a second look."""
    return [replace(t, candidates=tuple(c for c in t.candidates if c.first is not None)) for t in trials]


def main() -> int:
    """Run; 0 or the exit code of the error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with faces/")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps what was watched")
    parser.add_argument("--out", type=Path, default=Path("calibration/score"))
    parser.add_argument("--classifier", default="auto")
    parser.add_argument("--clip-seconds", type=float, default=240.0, help="clips at each frame rate")
    parser.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    args = parser.parse_args()
    return exit_code_of(lambda: calibrate(args))


if __name__ == "__main__":
    sys.exit(main())
