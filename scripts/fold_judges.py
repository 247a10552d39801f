"""What evaluations on the tuning half share: everybody is judged by the networks that left him out."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from stream_mer.app.folds import Watch, run_folds
from stream_mer.app.material import Material
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.trial import WAYS, Trial, settings_of_way
from stream_mer.config import Settings
from stream_mer.core.operating import CountTable, Measure, bootstrap
from stream_mer.runtime.assets import AssetStore

NATIVE = next(iter(WAYS))


@dataclass(frozen=True, slots=True)
class Judges:
    """The networks of all folds on native crops, read as the shipped classifier is."""

    material: Material
    split: Path
    folds: Path
    settings: Settings
    networks: Networks

    @property
    def threshold(self) -> float:
        """The shipped one."""
        return self.networks.calibration.threshold

    def trials(self, watch: Watch) -> list[Trial]:
        """Trials of what ``watch`` gives of the tuning half."""
        return run_folds(watch, self.split, self.folds, NATIVE, self.settings, self.networks)


def add_arguments(parser: argparse.ArgumentParser, seeds: int) -> None:
    """Where everything is, and ``seeds`` injections per video unless said."""
    parser.add_argument("--data", type=Path, required=True, help="folder with faces/ and videos/")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps what was watched")
    parser.add_argument("--folds", type=Path, required=True, help="engines trained without whom they judge")
    parser.add_argument("--split", type=Path, default=Path("calibration/score/videos.toml"))
    parser.add_argument("--seeds", type=int, default=seeds, help="injections per video")
    parser.add_argument("--classifier", default="auto")
    parser.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")


def open_judges(args: argparse.Namespace) -> Judges:
    """The judges that these arguments name."""
    settings = Settings(engine="bicubic", classifier=args.classifier, assets=args.assets, threads=1)
    material = Material(args.data, args.cache, settings, AssetStore(args.assets))
    return Judges(
        material, args.split, args.folds, settings, pick_networks(settings_of_way(NATIVE, settings))
    )


def said(table: CountTable, measure: Measure) -> str:
    """A measure at the only threshold of the table, with its interval."""
    value, band = measure(table)[0], bootstrap(table, measure)
    return f"{value:.2f} [{band[0, 0]:.2f}, {band[1, 0]:.2f}]"
