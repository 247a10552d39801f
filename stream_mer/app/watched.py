"""Watches a video once and keeps its faces, so that many ways of judging them can share the work.

Decoding, injection, detection, tracking and cropping do not depend on the classifier, on
super-resolution or on any threshold. What they gave can be kept in a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_mer.app.compose import DetectorFactory
from stream_mer.config import Settings
from stream_mer.core.tracking import FaceTracker, TrackerSettings
from stream_mer.errors import OutputError
from stream_mer.pipeline.steps import FaceStep
from stream_mer.protocols import Source
from stream_mer.synth.spec import TrueEvent
from stream_mer.types import Box, FaceCrop, FaceTrack, Frame, FrameFaces, ImageU8, Similarity, SourceInfo

SECOND = 1_000_000_000
POSE = 13
"""Numbers that describe a face's place: box 4, pose 4, face_px, quality, track id, segment, frame row."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The faces of one video: every crop both as LR and as native picture, every frame's time.

    The frames carry no picture, only its size. ``truth`` are the injected or rendered events, ``unclear``
    such as show in too few pictures to be asked for: who reports them is not wrong. ``person`` is whom the
    bootstrap counts as one. 52 kB a face and frame.
    """

    name: str
    person: str
    info: SourceInfo
    frames: tuple[FrameFaces, ...]
    truth: tuple[TrueEvent, ...] = ()
    unclear: tuple[TrueEvent, ...] = ()

    @property
    def minutes(self) -> float:
        """Length watched, the last frame's own share included."""
        if len(self.frames) < 2:
            return 0.0
        span = self.frames[-1].frame.pts_ns - self.frames[0].frame.pts_ns
        return span * len(self.frames) / (len(self.frames) - 1) / SECOND / 60

    @property
    def fps(self) -> float:
        """Frames a second on average."""
        return len(self.frames) / (60 * self.minutes) if self.minutes else 0.0

    def shown(self, sr: bool) -> Iterator[FrameFaces]:
        """The frames as the face stage gives them when all faces go through SR, or none."""
        for item in self.frames:
            if not sr:
                yield item
                continue
            yield replace(item, crops=tuple(replace(c, picture=None, sr=True) for c in item.crops))


def watch(
    source: Source,
    truth: Callable[[], tuple[TrueEvent, ...]],
    settings: Settings,
    detectors: DetectorFactory,
    *,
    name: str,
    person: str,
    unclear: Callable[[], tuple[TrueEvent, ...]] = tuple,
) -> Watched:
    """Run detector, tracker and crop over a source and keep what they give; closes the source.

    Args:
        source: frames in order.
        truth: asked when the source has ended.
        settings: ``max_faces``, detector.
        detectors: builds the detector for the source's size.
        name: of the clip, for reports.
        person: who is in it.
        unclear: events of which nobody can say that they show; asked when the source has ended.
    """
    kept: list[FrameFaces] = []
    with closing(source):
        info = source.info
        tracker = FaceTracker(TrackerSettings(max_faces=settings.max_faces))
        with closing(FaceStep(detectors.build(info), tracker, lambda _, __: False)) as step:
            for frame in source:
                (faces,) = step.push(frame)
                kept.append(replace(faces, frame=replace(frame, rgb=blank(frame.rgb.shape[:2]))))
        return Watched(name, person, info, tuple(kept), truth(), unclear())


def blank(size: tuple[int, ...]) -> ImageU8:
    """A black picture of that height and width that takes no memory."""
    return np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (size[0], size[1], 3))


def save_watched(path: Path, watched: Watched, made_of: str = "") -> None:
    """Write to ``path`` (.npz); atomic, so that an interrupted run leaves no half file.

    Args:
        path: the file.
        watched: what to keep.
        made_of: digest of what it was made of, see ``kept_of``.

    Raises:
        OutputError: the disk refuses.
    """
    crops = [(row, crop) for row, item in enumerate(watched.frames) for crop in item.crops]
    about = {
        "name": watched.name,
        "person": watched.person,
        "info": asdict(watched.info),
        "truth": [asdict(e) for e in watched.truth],
        "unclear": [asdict(e) for e in watched.unclear],
        "made_of": made_of,
    }
    partial = path.with_suffix(".partial.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            partial,
            about=np.array(json.dumps(about)),
            frames=np.array(
                [
                    (f.frame.index, f.frame.pts_ns, f.frame.epoch, *f.frame.rgb.shape[:2])
                    for f in watched.frames
                ]
            ).reshape(-1, 5),
            places=np.array([_place(row, crop.track) for row, crop in crops]).reshape(-1, POSE),
            lr=np.array([crop.lr for _, crop in crops], np.uint8),
            pictures=np.array([crop.picture for _, crop in crops], np.uint8),
        )
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot keep the faces of {watched.name} in {path}: {error.strerror or error}"
        ) from error


def kept_of(path: Path) -> str:
    """The digest of what a kept file was made of; empty if it does not say."""
    with np.load(path) as table:
        return str(json.loads(str(table["about"])).get("made_of", ""))


def load_watched(path: Path) -> Watched:
    """Read what ``save_watched`` wrote."""
    with np.load(path) as table:
        about = json.loads(str(table["about"]))
        frames, places = table["frames"], table["places"]
        lr, pictures = table["lr"], table["pictures"]
    crops: dict[int, list[FaceCrop]] = {}
    for number, place in enumerate(places):
        row, track = int(place[-1]), _track(place)
        index, pts, epoch = (int(x) for x in frames[row][:3])
        crop = FaceCrop(track, index, pts, epoch, lr[number], pictures[number])
        crops.setdefault(row, []).append(crop)
    items = tuple(
        FrameFaces(Frame(int(i), int(t), blank((int(h), int(w))), int(e)), tuple(crops.get(row, ())))
        for row, (i, t, e, h, w) in enumerate(frames)
    )
    truth, unclear = (
        tuple(TrueEvent(**{**e, "action_units": tuple(e["action_units"])}) for e in about[kind])
        for kind in ("truth", "unclear")
    )
    return Watched(about["name"], about["person"], SourceInfo(**about["info"]), items, truth, unclear)


def _place(row: int, track: FaceTrack) -> list[float]:
    b, p = track.box, track.pose
    return [
        *(b.x0, b.y0, b.x1, b.y1, p.a, p.b, p.tx, p.ty),
        *(track.face_px, track.quality, track.track_id, track.segment, row),
    ]


def _track(place: NDArray[np.float64]) -> FaceTrack:
    box, pose = Box(*map(float, place[:4])), Similarity(*map(float, place[4:8]))
    return FaceTrack(int(place[10]), int(place[11]), box, pose, float(place[8]), float(place[9]))
