"""What trials are run on: real videos by person, synthetic clips, and clips of things that are no event.

Everything is watched once and kept in a folder, so that judging it again takes seconds. What was kept of
another video, of another draw or by other code is watched again.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from stream_mer.app.coded import coded
from stream_mer.app.compose import DetectorFactory
from stream_mer.app.disturb import disturbed
from stream_mer.app.injection import inject_into
from stream_mer.app.portraits import MESH, Portrait, read_portrait, read_smiles
from stream_mer.app.provenance import made_of
from stream_mer.app.rendered import FACE_PX, PEAKS, ClipSource, trial_spec
from stream_mer.app.watched import Watched, kept_of, load_watched, save_watched, watch
from stream_mer.capture.address import file_digest
from stream_mer.capture.pyav import PyAvSource
from stream_mer.config import Settings
from stream_mer.core.splits import aside
from stream_mer.errors import ConfigError, SourceError
from stream_mer.protocols import Source
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.synth.action_units import CLASS_ACTION_UNITS
from stream_mer.synth.schedule import LID_PEAK
from stream_mer.synth.spec import NO_DISTRACTORS, ClipSpec, EventSpec, TrueEvent
from stream_mer.types import LABELS, ArrayF64

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SEEDS = {"tune": 880_000_000, "val": 990_000_000}
"""First seed of the clips of each part; the classifier trains on none of them."""
STRESS = ("blink", "speech", "head motion", "light", "cut", "gap", "edge")
"""Kinds of clips without any event, full of one thing that must not be flagged."""
LADDER_S = (0.045, 0.065, 0.095, 0.14, 0.19)
"""Durations whose recall is shown by frame rate."""
CLEAR_PEAKS = (0.01, 0.03)
"""Displacements, in face widths, that are no question of amplitude."""
Truth = Callable[[], tuple[TrueEvent, ...]]
Opened: TypeAlias = tuple[Source, Truth, Truth]
"""A source, its true events and its unclear ones, known once it has been iterated."""


def read_split(file: Path, part: str) -> dict[str, tuple[str, ...]]:
    """Person -> names of videos of one half ('tune' or 'final').

    Raises:
        ConfigError: the file cannot be read or has no such half.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))[part]
        return {str(person): tuple(map(str, names)) for person, names in table.items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{file} does not say which videos are for '{part}': {error}") from error


@dataclass
class Material:
    """Makes trial material out of a data folder, and keeps it.

    Args:
        data: folder with ``faces/`` (and its index.csv) and ``videos/``.
        cache: folder for what was watched; 52 kB a face and frame.
        settings: durations of events; detector.
        store: where model files are.
        report: told what is being made.
    """

    data: Path
    cache: Path
    settings: Settings
    store: AssetStore
    report: Callable[[str], None] = print
    _people: dict[str, list[Portrait]] = field(default_factory=dict)

    @cached_property
    def _detectors(self) -> DetectorFactory:
        return DetectorFactory(self.settings, self.store)

    @cached_property
    def _mesh(self) -> OpenVinoEngine:
        return OpenVinoEngine.from_file(self.store.path(MESH), threads=1)

    def videos(
        self, people: dict[str, tuple[str, ...]], seeds: Sequence[int], crf: int | None = None
    ) -> Iterator[Watched]:
        """Every video once a seed; seed 0 is the video as it is, others inject events.

        ``crf`` codes what is shown as H.264 of this quality, after the injection as a camera would.
        """
        how = "" if crf is None else f"-crf{crf}"
        for person, names in people.items():
            for name in names:
                for seed in seeds:
                    file = f"film-{Path(name).stem}-{seed}-{self._band}{how}"
                    of = made_of(self._content(name), seed, *self._drawn(seed), how, *self._watching)
                    yield self._kept(file, partial(self._video, name, seed, crf), name, person, of)

    def smiles(
        self, people: dict[str, tuple[str, ...]], seeds: Sequence[int], measured: Sequence[ArrayF64] = ()
    ) -> Iterator[Watched]:
        """Every video once a seed (from 1 on) with smiles alone, moving as the generator's or as real ones.

        Each video and seed draws one of ``measured`` by its name, whoever else is asked for.
        """
        for person, names in people.items():
            for name in names:
                for seed in seeds:
                    draw = int(hashlib.sha256(f"{name}:{seed}".encode()).hexdigest()[:12], 16)
                    smile = measured[draw % len(measured)] if measured else None
                    kind = "smile" if smile is None else "measured"
                    drawn = (*self._drawn(seed), None if smile is None else smile.tobytes())
                    of = made_of(self._content(name), kind, seed, *drawn, *self._watching)
                    build = partial(self._injected, name, seed, ("happiness",), smile)
                    yield self._kept(f"{kind}-{Path(name).stem}-{seed}-{self._band}", build, name, person, of)

    def real_smiles(self) -> list[ArrayF64]:
        """How the validation people smiled (studio portraits, CC BY 4.0), in order of names.

        How training people smiled is known to the networks.
        """
        at_rest = sorted((self.data / "faces" / "val").rglob("*_neutral.jpg"))
        return list(read_smiles(at_rest, self._detectors, self._mesh))

    def clips(
        self,
        part: str,
        fps: float,
        seconds: float,
        length_s: float = 12.0,
        face_px: tuple[float, float] = FACE_PX,
        peaks: tuple[float, float] = PEAKS,
    ) -> Iterator[Watched]:
        """Synthetic clips of the people of a part ('tune' or 'val'), together ``seconds`` long."""
        for number in range(max(1, round(seconds / length_s))):
            seed = SEEDS[part] + 1000 * round(fps) + number
            spec = trial_spec(seed, fps, length_s, durations_s=self._durations, face_px=face_px, peaks=peaks)
            limits = f"{length_s:g}-{face_px[1]:g}-{peaks[0]:g}-{self._band}"
            yield self._clip(f"clip-{part}-{fps:g}-{number}-{limits}", part, seed, spec)

    def stress(self, kind: str, clips: int = 3, fps: float = 30.0) -> Iterator[Watched]:
        """Clips without events, full of one of ``STRESS``."""
        rates = {
            "blink": replace(NO_DISTRACTORS, blink=40.0),
            "speech": replace(NO_DISTRACTORS, speech=25.0),
        }
        for number in range(clips):
            seed = SEEDS["tune"] + 500_000 + 1000 * STRESS.index(kind) + number
            spec = replace(
                trial_spec(seed, fps, 12.0),
                events=(),
                rates=rates.get(kind, NO_DISTRACTORS),
                head_speed=0.9 if kind == "head motion" else 0.15,
            )
            yield self._clip(f"stress-{kind.replace(' ', '-')}-{number}", "tune", seed, spec, kind)

    def expressions(self, part: str, count: int, fps: float = 60.0) -> Iterator[Watched]:
        """Clips of 0.9 s with one event each, classes in turn: for recognition, which is told when."""
        for number in range(count):
            seed = SEEDS[part] + 700_000 + number
            rng = np.random.default_rng([seed, 78])
            label = LABELS[number % len(LABELS)]
            units = CLASS_ACTION_UNITS[label][int(rng.integers(len(CLASS_ACTION_UNITS[label])))]
            length, peak = (float(np.exp(rng.uniform(*np.log(r)))) for r in ((0.1, 0.2), PEAKS))
            event = EventSpec(0.42, length, label, units, min(peak, LID_PEAK) if units == ("7",) else peak)
            spec = replace(trial_spec(seed, fps, 0.9), events=(event,), distractors=())
            yield self._clip(f"expression-{part}-{fps:g}-{number}", part, seed, spec)

    def ladders(self, part: str, fps: float, clips: int) -> Iterator[Watched]:
        """Clips of 3.4 s, each with one clear event of every length in ``LADDER_S``, in random order."""
        for number in range(clips):
            seed = SEEDS[part] + 800_000 + 1000 * round(fps) + number
            rng = np.random.default_rng([seed, 79])
            events = []
            for place, length in enumerate(rng.permutation(LADDER_S)):
                label = LABELS[int(rng.integers(len(LABELS)))]
                units, peak = CLASS_ACTION_UNITS[label][0], float(rng.uniform(*CLEAR_PEAKS))
                events.append(EventSpec(0.42 + 0.6 * place, float(length), label, units, peak))
            spec = replace(trial_spec(seed, fps, 3.4), events=tuple(events), distractors=())
            yield self._clip(f"ladder-{part}-{fps:g}-{number}", part, seed, spec)

    @property
    def _durations(self) -> tuple[float, float]:
        return self.settings.min_duration_s, self.settings.max_duration_s

    @property
    def _band(self) -> str:
        return "-".join(f"{1000 * d:g}" for d in self._durations)

    @property
    def _watching(self) -> tuple[object, ...]:
        """The settings that decide which faces are seen."""
        s = self.settings
        return s.detector, s.max_faces, s.min_face_px, s.gate, s.redact

    def _drawn(self, seed: int) -> tuple[object, ...]:
        """What is asked of the events injected; nothing of the video as it is."""
        return (self._durations, PEAKS) if seed else ()

    def _path(self, name: str) -> Path:
        return self.data / "videos" / name

    def _content(self, name: str) -> str:
        try:
            return file_digest(self._path(name))
        except OSError as error:
            raise SourceError(f"cannot read {self._path(name)}: {error.strerror or error}") from error

    def _video(self, name: str, seed: int, crf: int | None) -> Opened:
        source, truth, unclear = self._injected(name, seed)
        return source if crf is None else coded(source, crf), truth, unclear

    def _injected(
        self, name: str, seed: int, labels: Sequence[str] = LABELS, smile: ArrayF64 | None = None
    ) -> Opened:
        if seed == 0:
            return PyAvSource(self._path(name)), tuple, tuple
        durations, detect = self._durations, self._detectors.build
        source, injection = inject_into(
            self._path(name), detect, self._mesh.run, seed,
            durations_s=durations, peaks=PEAKS, labels=labels, smile=smile,
        )  # fmt: skip
        return source, injection.truth, injection.unclear

    def _clip(self, file: str, part: str, seed: int, spec: ClipSpec, disturbance: str = "") -> Watched:
        people = self._portraits(part)
        person = people[int(np.random.default_rng([seed, 5]).integers(len(people)))]

        def build() -> Opened:
            clip = ClipSource(person, spec, seed)
            return disturbed(clip, disturbance, seed), clip.truth, tuple

        portrait = hashlib.sha256(person.rgb.tobytes()).hexdigest()
        of = made_of(portrait, spec, seed, disturbance, *self._watching)
        return self._kept(f"{file}-{person.name}", build, file, person.name, of)

    def _kept(self, file: str, build: Callable[[], Opened], name: str, person: str, of: str) -> Watched:
        path = self.cache / f"{file}.npz"
        if path.exists() and kept_of(path) == of:
            return replace(load_watched(path), person=person)
        self.report(f"watching {file}")
        source, truth, unclear = build()
        watched = watch(
            source, truth, self.settings, self._detectors, name=name, person=person, unclear=unclear
        )
        save_watched(path, watched, of)
        return watched

    def _portraits(self, part: str) -> list[Portrait]:
        """Studio portraits of the part's people (CC BY 4.0), in order of names."""
        if part not in self._people:
            index = self.data / "faces" / "index.csv"
            try:
                with index.open(newline="", encoding="utf-8") as lines:
                    rows = [r for r in csv.DictReader(lines) if r["source"] in ("london", "canada")]
            except OSError as error:
                raise SourceError(f"no portraits at {index}: {error.strerror or error}") from error
            split = "val" if part == "val" else "train"
            persons = sorted({r["person"] for r in rows if r["split"] == split})
            chosen = {person for person in persons if part == "val" or aside(person)}
            files = [r["path"] for r in rows if r["person"] in chosen and r["split"] == split]
            self.report(f"fitting {len(files)} portraits of {len(chosen)} people")
            found = (
                (read_portrait(self.data / "faces" / f, self._detectors, self._mesh), f)
                for f in sorted(files)
            )
            who = {r["path"]: r["person"] for r in rows}
            self._people[part] = [replace(p, name=who[f]) for p, f in found if p is not None]
        return self._people[part]
