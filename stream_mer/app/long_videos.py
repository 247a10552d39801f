"""Runs the product over a dataset's long recordings and writes what MEGC's spotting challenge takes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil, floor
from pathlib import Path

import numpy as np

from stream_mer.app.compose import DetectorFactory, build_plan
from stream_mer.app.networks import Networks
from stream_mer.capture.pictures import PictureSource, read_picture
from stream_mer.config import Settings
from stream_mer.core.metrics import Interval, SpottingCount, confusion_matrix, match_intervals
from stream_mer.core.protocol import (
    Estimate,
    Indices,
    VideoIntervals,
    analysis_f1,
    bootstrap,
    spotting_by_kind,
    strs,
)
from stream_mer.datasets.findings import Dataset
from stream_mer.datasets.records import PICTURES, ClipRecord, frame_files, last_integer
from stream_mer.errors import SourceError
from stream_mer.pipeline.inline import run_inline
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.types import Event, Result, RunSummary

HEADER = ("vid", "pred_onset", "pred_offset", "type")
"""Columns of a submission; type is ``me`` or ``mae``. Source: MEGC 2022, ``cas_pred.csv``."""
SUBMISSIONS = {"samm-lv": "samm_pred.csv", "casme-sq": "cas_pred.csv"}
CLASSES = ("negative", "positive", "surprise", "others")
CLASS_OF = {
    **dict.fromkeys(("negative", "disgust", "repression", "anger", "contempt", "fear", "sadness"), 0),
    **dict.fromkeys(("positive", "happiness"), 1),
    "surprise": 2,
    "others": 3,
}
"""Emotion -> class of the spot-then-recognise task; what is not named is not scored."""
SLACK = 1e-6
"""Frames by which a time may miss a frame through rounding to nanoseconds."""


@dataclass(frozen=True, slots=True)
class LongVideo:
    """A folder of frames with what is annotated in it (nothing, for an unseen test set)."""

    name: str
    folder: Path
    fps: float
    true: tuple[ClipRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Spotted:
    """What was found in a video: events with their first and last frame by the file names' numbers."""

    video: LongVideo
    events: tuple[tuple[int, int, Event], ...]


def videos_of(dataset: Dataset) -> list[LongVideo]:
    """The recordings of a dataset that has annotations, each once, in the order of the table.

    Recordings that lie beside them and show nothing come last: what is found there is false, and the
    protocol pools over all videos.
    """
    by_folder: dict[Path, list[ClipRecord]] = {}
    for record in dataset.records:
        by_folder.setdefault(record.path, []).append(record)
    videos = [LongVideo(folder.name, folder, own[0].fps, tuple(own)) for folder, own in by_folder.items()]
    beside = {folder for place in {one.parent for one in by_folder} for folder in _with_frames(place)}
    empty = [LongVideo(one.name, one, videos[0].fps) for one in sorted(beside - set(by_folder))]
    return videos + empty


def videos_in(root: Path, fps: float) -> list[LongVideo]:
    """Every folder with numbered pictures directly in ``root``: a test set without annotations.

    Raises:
        SourceError: there is none.
    """
    folders = sorted(_with_frames(root))
    if not folders:
        raise SourceError(f"{root} holds no folder of frames\ngive the folder that holds one folder a video")
    return [LongVideo(folder.name, folder, fps) for folder in folders]


def _with_frames(root: Path) -> set[Path]:
    """The folders in a folder that hold numbered pictures."""
    folders = [one for one in root.iterdir() if one.is_dir()] if root.is_dir() else []
    return {
        folder
        for folder in folders
        if any(p.suffix.lower() in PICTURES and last_integer(p.name) is not None for p in folder.iterdir())
    }


@dataclass(slots=True)
class _Events:
    found: list[Event] = field(default_factory=list)

    def write(self, result: Result) -> None:
        self.found += result.events

    def close(self, summary: RunSummary | None) -> None:
        """Nothing to finish."""


def spot(video: LongVideo, settings: Settings, networks: Networks, detectors: DetectorFactory) -> Spotted:
    """Run the product's own pipeline over a video."""
    files = frame_files(video.folder)
    events = _Events()
    plan = build_plan(
        lambda: PictureSource(files, video.fps, video.name),
        settings,
        networks,
        detectors,
        [SinkRecipe("events", lambda _: events)],
    )
    run_inline(plan)
    # Time begins at the first picture that can be read.
    first = next(number for number, path in files.items() if read_picture(path) is not None)
    numbered = [(*frames_of(event, first, video.fps), event) for event in events.found]
    return Spotted(video, tuple(sorted(numbered, key=lambda one: one[:2])))


def frames_of(event: Event, first: int, fps: float) -> tuple[int, int]:
    """First and last frame of an event, as the file names number them.

    >>> from stream_mer.types import LABELS
    >>> times = 50_000_000, 80_000_000, 130_000_000
    >>> e = Event("x", "v", 0, 1, *times, LABELS[0], 1.0, (1, 0, 0, 0, 0), 90.0, False)
    >>> frames_of(e, first=1, fps=100.0)
    (6, 13)
    """
    onset = first + floor(event.onset_ns * fps / 1e9 + SLACK)
    return onset, max(onset, first + ceil(event.offset_ns * fps / 1e9 - SLACK) - 1)


def submission(found: Sequence[Spotted]) -> str:
    """A submission as CSV: one row an interval, last frame included; all are micro-expressions."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for one in found:
        writer.writerows((one.video.name, onset, offset, "me") for onset, offset, _ in one.events)
    return text.getvalue()


@dataclass(frozen=True, slots=True)
class SpottingScore:
    """Pooled counts by kind, and spot-then-recognise over the micro-expressions.

    ``f1`` is each kind's with its interval, from drawing people with replacement. ``classed`` is how many
    true micro-expressions have a class (without one, ``analysis`` and ``strs`` say nothing), ``empty`` how
    many of the videos have no annotation.
    """

    counts: Mapping[str, SpottingCount]
    f1: Mapping[str, Estimate]
    analysis: float
    strs: float
    classed: int
    videos: int
    empty: int


def score(found: Sequence[Spotted]) -> SpottingScore:
    """Compare with the annotations, pooled over videos, IoU >= 0.5. The product looks for micro only."""
    videos, pairs, classed = [], [], 0
    for one in found:
        micro = [_interval(record) for record in one.video.true if record.kind == "micro"]
        macro = [_interval(record) for record in one.video.true if record.kind == "macro"]
        spans = [(onset, offset + 1) for onset, offset, _ in one.events]
        videos.append(VideoIntervals({"micro": spans}, {"micro": micro, "macro": macro}))
        true = [record for record in one.video.true if record.kind == "micro"]
        classed += sum(record.label in CLASS_OF for record in true)
        for i, j in match_intervals(spans, micro):
            said, right = CLASS_OF.get(one.events[i][2].label), CLASS_OF.get(true[j].label)
            if said is not None and right is not None:
                pairs.append((right, said))
    counts, each = spotting_by_kind(videos), [spotting_by_kind([video]) for video in videos]
    # Both datasets begin a video's name with its person: 006_1, 15_0401girlcrashing.
    people = [one.video.name.split("_")[0] for one in found]
    f1 = {kind: bootstrap(partial(_pooled_f1, [one[kind] for one in each]), people) for kind in counts}
    classes = np.array(pairs, np.intp).reshape(-1, 2)
    confusion = confusion_matrix(classes[:, 0], classes[:, 1], len(CLASSES))
    empty = sum(not one.video.true for one in found)
    product = strs(counts["micro"], confusion)
    return SpottingScore(counts, f1, analysis_f1(confusion), product, classed, len(found), empty)


def _pooled_f1(each: Sequence[SpottingCount], chosen: Indices) -> float:
    return sum((each[k] for k in chosen), SpottingCount(0, 0, 0)).f1


def _interval(record: ClipRecord) -> Interval:
    return record.onset, record.offset + 1


def score_table(result: SpottingScore, left_out: int = 0) -> str:
    """The score as Markdown.

    Args:
        result: the score.
        left_out: annotations that could not be read, and so were not looked for.
    """
    lines = ["| | TP | FP | FN | precision | recall | F1 [95 %] |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {kind} | {c.tp} | {c.fp} | {c.fn} | {c.precision:.4f} | {c.recall:.4f} | {c.f1:.4f} "
        f"[{result.f1[kind].low:.4f}, {result.f1[kind].high:.4f}] |"
        for kind, c in result.counts.items()
    ]
    videos = f"{result.videos} videos, {result.empty} of them without annotations"
    analysis = f"analysis F1 {result.analysis:.4f}, STRS (micro) {result.strs:.4f}"
    lines += ["", f"{videos}; {analysis if result.classed else 'no emotions annotated, so no STRS'}"]
    if left_out:
        lines += ["", f"{left_out} annotations could not be read and do not count; see evaluate.py doctor"]
    return "\n".join(lines) + "\n"
