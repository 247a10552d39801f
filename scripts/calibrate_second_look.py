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
from dataclasses import replace
from pathlib import Path

from stream_mer.app.calibrating import fit_reading, reliability, stated
from stream_mer.app.material import Material
from stream_mer.app.networks import pick_networks
from stream_mer.app.remembered import Answers
from stream_mer.app.spotting_report import curve_row
from stream_mer.app.trial import Trial, run_way, settings_of_way
from stream_mer.config import Settings
from stream_mer.errors import StreamMerError
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.calibration import SecondReading, with_second_look
from stream_mer.runtime.shipped import calibration_root

NATIVE = "native crop"
FPS = (50.0, 60.0, 120.0, 200.0)
MIN_FPS = 45.0
"""Between 30 fps, where clips of people set aside and real video show no gain, and 50, where clips do."""
ROUNDS = 3
"""How often the reading is fitted anew to the candidates that the last one gave."""


def calibrate(args: argparse.Namespace) -> None:
    """Measure, fit, write."""
    settings = Settings(classifier=args.classifier, assets=args.assets, engine="bicubic", threads=1)
    settings = settings_of_way(NATIVE, settings)
    material = Material(args.data, args.cache, settings, AssetStore(args.assets))
    networks, answers = pick_networks(settings), Answers()
    calibration = networks.calibration

    def judged(again: SecondReading | None) -> dict[float, list[Trial]]:
        read = replace(networks, calibration=replace(calibration, second_look=again))
        clips = ((fps, material.clips("tune", fps, args.clip_seconds)) for fps in FPS)
        return {fps: run_way(watched, NATIVE, settings, read, answers) for fps, watched in clips}

    first, reading = judged(None), calibration.reading
    for _ in range(ROUNDS):
        candidates = [t for some in judged(SecondReading(reading, MIN_FPS)).values() for t in some]
        reading = reading.then(fit_reading(*stated(candidates)))
    again = SecondReading(reading, MIN_FPS)
    second = judged(again)
    file = calibration_root() / "score" / f"{networks.classifier.name}.toml"
    text = with_second_look(file.read_text(encoding="utf-8"), again)
    file.write_text(text, encoding="utf-8")
    print(f"temperature {reading.temperature:.4f}, bias {reading.none_bias:.4f}")
    print("| clips | look | recall at 0.5 / 1 / 2 / 5 / 10 a minute | F1 | recall | unmatched/min |")
    print("|---" * 6 + "|")
    for fps in FPS:
        for look, trials in (("first", first[fps]), ("second", second[fps])):
            print(f"| {fps:g} fps | {look} | {curve_row(trials, calibration.threshold)} |")
    for look, some in (("first", first), ("second", second)):
        every = [t for trials in some.values() for t in trials]
        print(f"| all | {look} | {curve_row(every, calibration.threshold)} |")
        print(f"expected calibration error, {look} look: {reliability(every).shipped}", file=sys.stderr)


def main() -> int:
    """Run; 0 or the exit code of the error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with faces/")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps what was watched")
    parser.add_argument("--classifier", default="auto")
    parser.add_argument("--clip-seconds", type=float, default=240.0, help="clips at each frame rate")
    parser.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    try:
        calibrate(parser.parse_args())
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
