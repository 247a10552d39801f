"""Face clips for ``reproduce_paper.py``: cut out of a dataset's frames, or rendered without a dataset."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from stream_mer.app.clip_frames import read_clip
from stream_mer.app.compose import DetectorFactory
from stream_mer.app.portraits import Portrait, astronaut, read_portraits
from stream_mer.capture.pictures import write_picture
from stream_mer.core.geometry import pose_from_keypoints
from stream_mer.core.warp import sample
from stream_mer.datasets.findings import Dataset
from stream_mer.datasets.records import UNLABELLED, ClipRecord
from stream_mer.errors import SourceError
from stream_mer.synth.action_units import CLASS_ACTION_UNITS
from stream_mer.synth.clip import iterate_clip
from stream_mer.synth.demo import DEMO_CREDIT
from stream_mer.synth.spec import ClipSpec, EventSpec
from stream_mer.training.paper_study import FaceClip
from stream_mer.types import HR_SIZE, LABELS, ImageU8, SourceInfo

FRAMES = 12
"""Every clip is brought to so many frames, evenly over onset..offset (others take 10)."""
VARIANTS = (
    (1.0, 1.0, 1.0),
    (1.08, 0.95, 0.85),
    (0.93, 1.05, 1.2),
    (1.0, 1.09, 0.9),
    (1.05, 1.0, 1.3),
    (0.95, 0.97, 0.75),
)
"""Width, height and gamma that make six 'people' out of one portrait."""

PAPER_LABELS = {"casme2": LABELS}
"""The classes the paper takes; the few clips of other classes are left out."""


def wanted(dataset: Dataset) -> list[ClipRecord]:
    """The records of the classes the paper takes; of the datasets it does not know, all that have a class."""
    labels = PAPER_LABELS.get(dataset.name, {r.label for r in dataset.records} - {UNLABELLED})
    return [r for r in dataset.records if r.kind == "micro" and r.label in labels]


def cut_clips(
    records: Sequence[ClipRecord], detectors: DetectorFactory, say: Callable[[str], None]
) -> tuple[list[FaceClip], list[ClipRecord], list[str]]:
    """Canonical 128x128 faces of every record, all frames cut by the pose in its first one.

    Returns:
        The clips, the records they are of, and in words which records gave none.

    Raises:
        SourceError: not one of them did.
    """
    clips, kept, lost, detector, size = [], [], [], None, (0, 0)
    try:
        for number, record in enumerate(records):
            say(f"{record.dataset}: faces {number + 1} of {len(records)}")
            where = f"{record.dataset} {record.subject}/{record.clip}, frames {record.onset}..{record.offset}"
            try:
                frames = read_clip(record, FRAMES)
            except SourceError as error:
                lost.append(f"{where}: {str(error).splitlines()[0]}")
                continue
            if len(frames) < FRAMES:
                lost.append(f"{where}: missing, or no pictures")
                continue
            if detector is None or frames[0].shape[:2] != size:
                if detector is not None:
                    detector.close()
                high, wide = size = frames[0].shape[:2]
                detector = detectors.build(SourceInfo("", "", wide, high, None, None, None, live=False))
            found = detector.detect(frames[0])
            if not found:
                lost.append(f"{where}: no face in the first one")
                continue
            pose = pose_from_keypoints(found[0].keypoints)
            faces = np.stack([sample(frame, pose, HR_SIZE) for frame in frames])
            clips.append(FaceClip(record.subject, record.label, faces, record.dataset))
            kept.append(record)
    finally:
        if detector is not None:
            detector.close()
    if not clips:
        raise SourceError("no clip gave faces: " + "; ".join(lost[:2]) + "\nexamine it: evaluate.py doctor")
    return clips, kept, lost


def render_dataset(
    root: Path, portraits: Path | None, clips_each: int, seed: int, assets: Path | None
) -> list[str]:
    """Write generated clips as frames and ``clips.csv``, the layout for anyone's own clips.

    Returns:
        What the report has to say about them.
    """
    people = list(read_portraits(portraits, assets)) if portraits else [_variant(*v) for v in VARIANTS]
    rows: list[tuple[object, ...]] = []
    for person in people:
        for k, label in enumerate(LABELS):
            for n in range(clips_each):
                rows.append(_render(root, person, label, n, seed + 1000 * len(rows) + 10 * k + n))
    with (root / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("subject", "clip", "onset", "apex", "offset", "label", "AUs", "fps"))
        writer.writerows(rows)
    who = (
        "the portraits given"
        if portraits
        else f"{len(people)} variants (width, height, gamma) of ONE portrait"
    )
    return [
        *([] if portraits else [DEMO_CREDIT]),
        f"SYNTHETIC clips, no dataset: {len(rows)} micro-expressions rendered from {who}.",
        "These figures show that the path works. They say nothing about people, and nothing about CASME II, "
        "SMIC or SAMM: the classes come from one table of action units, which makes them easy to tell apart.",
    ]


def _variant(width: float, height: float, gamma: float) -> Portrait:
    one = astronaut()
    size = (round(one.rgb.shape[1] * width), round(one.rgb.shape[0] * height))
    rgb = np.asarray(cv2.resize(one.rgb, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    toned: ImageU8 = np.rint(255 * (rgb / 255.0) ** gamma).astype(np.uint8)
    mesh = one.mesh.copy()
    mesh[:, :2] *= (size[0] / one.rgb.shape[1], size[1] / one.rgb.shape[0])
    return Portrait(f"variant{int(100 * width)}-{int(100 * height)}-{int(100 * gamma)}", toned, mesh)


def _render(root: Path, person: Portrait, label: str, number: int, seed: int) -> tuple[object, ...]:
    """One clip of 0.3 s at 100 frames a second with one event; its row in the table."""
    choices = CLASS_ACTION_UNITS[label]
    units = choices[seed % len(choices)]
    event = EventSpec(0.05, 0.2, label, units, 0.022)
    spec = ClipSpec(0.3, 100.0, 240, 240, 120.0, events=(event,), distractors=(), head_speed=0.05)
    plan, frames = iterate_clip(person.rgb, person.mesh, spec, seed)
    folder = root / person.name / f"{label}{number}"
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames, 1):
        write_picture(folder / f"img{index}.png", frame.rgb)
    true = plan.events[0]
    onset, apex, end = (round(ns * spec.fps / 1e9) for ns in (true.onset_ns, true.apex_ns, true.offset_ns))
    clip = f"{person.name}/{label}{number}"
    return person.name, clip, onset + 1, apex + 1, end, label, "+".join(units), 100
