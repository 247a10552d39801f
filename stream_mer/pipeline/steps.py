"""The two steps between a frame and its result: find and cut the faces, then judge them.

Both are plain state machines; whether they share a thread is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from stream_mer.core.decision import Candidate, CandidateFinder, Judge, seen_again
from stream_mer.core.reading import Reading
from stream_mer.core.tally import FORGET_FRAMES
from stream_mer.core.warp import sample
from stream_mer.core.windowing import Windower
from stream_mer.errors import EngineError
from stream_mer.protocols import Engine, FaceDetector
from stream_mer.types import (
    HR_SIZE,
    LABELS,
    LR_SIZE,
    Detection,
    FaceCrop,
    FaceTrack,
    Frame,
    FrameFaces,
    Result,
    Score,
    Window,
)


class Tracker(Protocol):
    """What the face step needs of a tracker (``core.tracking.FaceTracker``)."""

    def wants_detection(self, pts_ns: int, epoch: int) -> bool: ...

    def update(self, frame: Frame, detections: list[Detection] | None) -> tuple[FaceTrack, ...]: ...


@dataclass(frozen=True, slots=True)
class FaceStep:
    """Frame in, frame with its face crops out.

    Args:
        detector: run only on the frames the tracker asks for.
        tracker: keeps persons apart and crops steady.
        wants_sr: from the face's width in frame px and what this face had before (None at first),
            whether it goes through LR and SR; the others get a native picture.
        veil: detect in every frame and hand on what was found, confirmed as a person or not, so that it
            can be made unrecognisable from its first frame on.
    """

    detector: FaceDetector
    tracker: Tracker
    wants_sr: Callable[[float, bool | None], bool]
    veil: bool = False
    _had_sr: dict[int, tuple[bool, int]] = field(default_factory=dict)

    def push(self, item: Frame) -> tuple[FrameFaces]:
        """Detect if due, track, cut one LR crop (and a native picture where SR is not wanted)."""
        due = self.veil or self.tracker.wants_detection(item.pts_ns, item.epoch)
        found = self.detector.detect(item.rgb) if due else None
        tracks = self.tracker.update(item, found)
        for track in tracks:
            had, _ = self._had_sr.pop(track.track_id, (None, 0))
            self._had_sr[track.track_id] = self.wants_sr(track.face_px, had), item.index
        self._forget(item.index)
        veiled = tuple(d.box for d in found or ()) if self.veil else ()
        return (FrameFaces(item, tuple(self._crop(item, track) for track in tracks), veiled),)

    def _crop(self, frame: Frame, track: FaceTrack) -> FaceCrop:
        sr, _ = self._had_sr[track.track_id]
        return FaceCrop(
            track=track,
            frame_index=frame.index,
            pts_ns=frame.pts_ns,
            epoch=frame.epoch,
            lr=sample(frame.rgb, track.pose, LR_SIZE),
            picture=None if sr else sample(frame.rgb, track.pose, HR_SIZE),
            sr=sr,
        )

    def _forget(self, index: int) -> None:
        """Drop faces long gone, the first to go first: a camera sees people come and go for weeks."""
        while self._had_sr and index - next(iter(self._had_sr.values()))[1] > FORGET_FRAMES:
            del self._had_sr[next(iter(self._had_sr))]

    def flush(self) -> tuple[FrameFaces, ...]:
        """Nothing is held back."""
        return ()

    def close(self) -> None:
        """Close the detector."""
        self.detector.close()


@dataclass(slots=True)
class InferStep:
    """Frame with crops in, result out: super-resolve, lay windows, classify, spot.

    Args:
        super_resolver: uint8 LR -> SR engine.
        classifier: uint8 window -> logits engine, labels then 'none'.
        reading: how its logits are to be understood (calibration).
        windower: lays the windows.
        finder: turns scores into candidates.
        judge: accepts or rejects them.
        reading_again: how the logits of a second look are to be understood; as those of the first if None.
    """

    super_resolver: Engine
    classifier: Engine
    reading: Reading
    windower: Windower
    finder: CandidateFinder
    judge: Judge
    reading_again: Reading | None = None
    _last: Frame | None = None

    def push(self, item: FrameFaces) -> tuple[Result]:
        """Judge one frame's faces; all faces go through each engine as one batch."""
        (result,) = self.push_many((item,))
        return (result,)

    def push_many(self, items: Sequence[FrameFaces]) -> list[Result]:
        """Judge several frames, the engines' work in one batch: same results, less time, more waiting."""
        results = []
        for result, candidates in self.find_many(items):
            events, rejected = self.judge.judge(candidates)
            results.append(replace(result, events=events, rejected=rejected))
        return results

    def find_many(self, items: Sequence[FrameFaces]) -> list[tuple[Result, list[Candidate]]]:
        """Everything but the judgement: each frame's result without events, and what may be one."""
        shown = iter(self._super_resolve(tuple(crop for item in items for crop in item.crops)))
        faces = [tuple(next(shown) for _ in item.crops) for item in items]
        windows = [self.windower.push(crops) for crops in faces]
        scores = self._classify_each(windows, self.reading)
        found = [self._find(*one) for one in zip(items, faces, scores, strict=True)]
        again = iter(self._look_again([candidate for some in found for candidate in some]))
        return [
            (
                Result(item.frame, tuple(c.track for c in crops), crops, said, (), item.veiled),
                [next(again) for _ in some],
            )
            for item, crops, said, some in zip(items, faces, scores, found, strict=True)
        ]

    def find_rest(self) -> list[Candidate]:
        """What may still be an event at the end of the stream."""
        return [] if self._last is None else self._look_again(self.finder.flush(self._last.pts_ns))

    def _find(
        self, item: FrameFaces, crops: tuple[FaceCrop, ...], scores: tuple[Score, ...]
    ) -> list[Candidate]:
        self._last = item.frame
        height, width = item.frame.rgb.shape[:2]
        return self.finder.push(scores, crops, (height, width), item.frame.pts_ns)

    def _look_again(self, candidates: list[Candidate]) -> list[Candidate]:
        """The candidates with what the classifier says of their windows, where they have any."""
        scores = self._classify_each([c.windows for c in candidates], self.reading_again or self.reading)
        return [seen_again(c, some) if some else c for c, some in zip(candidates, scores, strict=True)]

    def flush(self) -> tuple[Result, ...]:
        """Events still open at the end of the stream, in one more result with the last frame repeated."""
        if self._last is None:
            return ()
        events, rejected = self.judge.judge(self.find_rest())
        if not events and not rejected:
            return ()
        return (Result(self._last, (), events=events, repeated=True, rejected=rejected),)

    def close(self) -> None:
        """Close both engines."""
        with closing(self.super_resolver), closing(self.classifier):
            pass

    def _super_resolve(self, crops: tuple[FaceCrop, ...]) -> tuple[FaceCrop, ...]:
        small = [i for i, crop in enumerate(crops) if crop.picture is None]
        if not small:
            return crops
        (pictures,) = self.super_resolver.run(np.stack([crops[i].lr for i in small]))
        done = list(crops)
        for i, picture in zip(small, pictures.astype(np.uint8, copy=False), strict=True):
            done[i] = replace(crops[i], picture=picture)
        return tuple(done)

    def _classify_each(
        self, windows: Sequence[Sequence[Window]], reading: Reading
    ) -> list[tuple[Score, ...]]:
        """The scores of every group of windows, all of which go through the classifier as one batch."""
        scores = iter(self._classify([window for some in windows for window in some], reading))
        return [tuple(next(scores) for _ in some) for some in windows]

    def _classify(self, windows: list[Window], reading: Reading) -> tuple[Score, ...]:
        if not windows:
            return ()
        logits = self.classifier.run(np.stack([w.pictures for w in windows]))[0]
        if logits.shape != (len(windows), len(LABELS) + 1):
            raise EngineError(
                f"classifier {self.classifier.name} answered {logits.shape} to {len(windows)} windows.\n"
                f"It must give {len(LABELS)} labels and 'none'; rebuild or choose another engine."
            )
        table = reading.probabilities(logits)
        return tuple(
            Score(
                track_id=w.track_id,
                segment=w.segment,
                epoch=w.epoch,
                centre_ns=w.centre_ns,
                duration_ns=w.duration_ns,
                probabilities=tuple(float(p) for p in row[: len(LABELS)]),
                face_px=w.face_px,
                sr=w.sr,
            )
            for w, row in zip(windows, table, strict=True)
        )
