"""The two steps of the pipeline with engines whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stream_mer.core.baseline import log_odds
from stream_mer.core.decision import Candidate, CandidateFinder, Judge
from stream_mer.core.reading import Reading
from stream_mer.core.second_look import SecondLook
from stream_mer.core.tally import FORGET_FRAMES
from stream_mer.core.windowing import Windower
from stream_mer.errors import EngineError
from stream_mer.face.replay import ReplayDetector
from stream_mer.pipeline.steps import FaceStep, InferStep
from stream_mer.types import (
    SECOND_LOOK,
    Box,
    Event,
    FaceCrop,
    FaceTrack,
    Frame,
    FrameFaces,
    Result,
    Similarity,
)

MS = 1_000_000
TRACK = FaceTrack(1, 0, Box(0, 0, 92, 92), Similarity(1, 0, 0, 0), 92.0, 1.0)


class Upscaler:
    """Answers each LR face with its own brightness; counts the batches."""

    name, sha256, backend = "upscaler", "0" * 64, "test"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.closed = False

    def run(self, batch: np.ndarray) -> tuple[np.ndarray]:
        self.batches.append(len(batch))
        return (np.repeat(np.repeat(batch, 4, 1), 4, 2),)

    def close(self) -> None:
        self.closed = True


class Classifier(Upscaler):
    """Sees an event where the apex picture is brighter than the one before."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.width = width

    def run(self, batch: np.ndarray) -> tuple[np.ndarray]:
        rise = batch[:, 1].astype(float).mean((1, 2, 3)) - batch[:, 0].mean((1, 2, 3))
        logits = np.zeros((len(batch), self.width), np.float32)
        logits[:, 1] = rise - 20
        return (logits,)


def crops(value: int, index: int, *, count: int = 1) -> FrameFaces:
    frame = Frame(index, index * 10 * MS, np.zeros((8, 8, 3), np.uint8))
    lr = np.full((32, 32, 3), value, np.uint8)
    return FrameFaces(
        frame, tuple(FaceCrop(TRACK, index, frame.pts_ns, 0, lr, None, True) for _ in range(count))
    )


def infer(classifier: Classifier, *, again: bool = False) -> InferStep:
    look = SecondLook(200 * MS, 20 * MS) if again else None
    finder = Noting("s", min_ns=40 * MS, max_ns=200 * MS, look_ahead_ns=80 * MS, second_look=look)
    return InferStep(Upscaler(), classifier, Reading(), Windower((100 * MS,)), finder, Judge(0.9, "d", ()))


class Noting(CandidateFinder):
    """Remembers what it found last."""

    found: tuple[Candidate, ...] = ()

    def push(self, *said: object) -> list[Candidate]:
        found = super().push(*said)  # type: ignore[arg-type]
        self.found = tuple(found)
        return found

    def flush(self, now_ns: int) -> list[Candidate]:
        found = super().flush(now_ns)
        self.found = tuple(found)
        return found


def test_a_bright_moment_becomes_one_event_and_one_frame_gives_one_result() -> None:
    step = infer(Classifier())
    results = [r for i in range(100) for r in step.push(crops(60 if 48 <= i <= 52 else 0, i))]
    results += step.flush()
    assert [r.frame.index for r in results] == list(range(100))
    (event,) = [e for r in results for e in r.events]
    assert event.label == "surprise"
    assert event.sr
    assert abs(event.apex_ns - 500 * MS) <= 25 * MS
    assert all(c.picture is not None for r in results for c in r.crops)


def test_an_event_open_at_the_end_comes_in_a_repeated_result() -> None:
    step = infer(Classifier())
    results = [r for i in range(63) for r in step.push(crops(60 if 48 <= i <= 52 else 0, i))]
    assert not any(r.events for r in results)
    (last,) = step.flush()
    assert last.repeated
    assert len(last.events) == 1
    assert isinstance(last, Result)


def test_all_faces_go_through_the_network_as_one_batch() -> None:
    step = infer(Classifier())
    list(step.push(crops(0, 0, count=3)))
    assert step.super_resolver.batches == [3]  # type: ignore[attr-defined]


def test_a_classifier_of_the_wrong_shape_is_an_engine_error() -> None:
    step = infer(Classifier(width=4))
    with pytest.raises(EngineError, match="answered"):
        for i in range(60):
            step.push(crops(0, i))


def test_several_frames_at_once_give_the_same_results() -> None:
    one, many = infer(Classifier()), infer(Classifier())
    frames = [crops(60 if 48 <= i <= 52 else 0, i, count=2) for i in range(90)]
    single = [r for f in frames for r in one.push(f)]
    batched = [r for k in range(0, 90, 30) for r in many.push_many(frames[k : k + 30])]
    assert [(r.frame.index, r.scores, r.events) for r in single] == [
        (r.frame.index, r.scores, r.events) for r in batched
    ]


class Doubting(Classifier):
    """Takes back what it said as soon as candidates have been found."""

    step: InferStep

    def run(self, batch: np.ndarray) -> tuple[np.ndarray]:
        (logits,) = super().run(batch)
        self.batches.append(len(batch))
        return (logits * 0 - [0, 9, 0, 0, 0, 0] if self.step.finder.found else logits,)  # type: ignore[attr-defined]


def doubting() -> InferStep:
    classifier = Doubting()
    classifier.step = infer(classifier, again=True)
    return classifier.step


def test_the_classifier_is_shown_each_candidate_again_and_has_the_last_word() -> None:
    step = doubting()
    shown, results = 0, []
    for i in range(100):
        step.finder.found = ()  # type: ignore[attr-defined]
        results += step.push(crops(60 if 48 <= i <= 52 else 0, i))
        shown += sum(len(c.windows) for c in step.finder.found)  # type: ignore[attr-defined]
    assert shown > 0
    assert sum(step.classifier.batches) == sum(len(r.scores) for r in results) + shown  # type: ignore[attr-defined]
    assert not any(r.events for r in results)
    assert {r.reason for result in results for r in result.rejected} == {SECOND_LOOK}


def test_at_the_end_of_the_stream_the_classifier_is_asked_again_too() -> None:
    step = doubting()
    for i in range(66):
        step.push(crops(60 if 48 <= i <= 52 else 0, i))
    (last,) = step.flush()
    assert last.events == ()
    assert {r.reason for r in last.rejected} == {SECOND_LOOK}


def test_the_second_look_is_read_in_its_own_way() -> None:
    def odds_read_by(reading: Reading | None) -> list[float]:
        step, odds = infer(Classifier(), again=True), []
        step.reading_again = reading
        for i in range(100):
            ((_, candidates),) = step.find_many([crops(30 if 48 <= i <= 52 else 0, i)])
            odds += [log_odds(c.event.probability) for c in candidates if c.first is not None]
        return odds

    as_first, own = odds_read_by(None), odds_read_by(Reading(1.0, 2.0))
    assert as_first
    assert np.subtract(as_first, own) == pytest.approx(2.0)


def test_each_face_is_given_the_second_look_at_its_own_pictures() -> None:
    """Two faces move at once, one more than the other; the third is lost before its last pictures."""

    def frames() -> list[FrameFaces]:
        made = []
        for i in range(100):
            one = crops(60 if 48 <= i <= 52 else 0, i)
            (face,) = one.crops
            lit = np.full((32, 32, 3), 40 if 48 <= i <= 52 else 0, np.uint8)
            other = replace(face, track=replace(TRACK, track_id=2), lr=lit)
            lost = replace(face, track=replace(TRACK, track_id=3, segment=int(i > 58)))
            made.append(replace(one, crops=(face, other, lost)))
        return made

    def events_of(step: InferStep, track: int) -> list[Event]:
        kept = [replace(f, crops=tuple(c for c in f.crops if c.track.track_id == track)) for f in frames()]
        return [e for f in kept for r in step.push(f) for e in r.events]

    step = infer(Classifier(), again=True)
    events = {e.track_id: e for f in frames() for r in step.push(f) for e in r.events}
    assert {1, 2} <= set(events)
    for track in (1, 2):
        (alone,) = events_of(infer(Classifier(), again=True), track)
        assert replace(alone, id="") == replace(events[track], id="")
    batched = [e for r in infer(Classifier(), again=True).push_many(frames()) for e in r.events]
    assert {e.track_id: e for e in batched} == events


def test_closing_closes_both_engines() -> None:
    step = infer(Classifier())
    step.close()
    assert step.super_resolver.closed  # type: ignore[attr-defined]
    assert step.classifier.closed  # type: ignore[attr-defined]


class OneFace:
    """A tracker with one face for ever, wanting detection on every third frame."""

    def __init__(self) -> None:
        self.detected: list[int] = []

    def wants_detection(self, pts_ns: int, epoch: int) -> bool:
        return pts_ns % 3 == 0

    def update(self, frame: Frame, detections: list | None) -> tuple[FaceTrack, ...]:
        if detections is not None:
            self.detected.append(frame.index)
        return (TRACK,)


@pytest.mark.parametrize("sr", [True, False])
def test_the_face_step_detects_only_when_asked_and_cuts_what_is_wanted(sr: bool) -> None:
    tracker = OneFace()
    step = FaceStep(ReplayDetector([[]], loop=True), tracker, lambda face_px, had: sr)
    picture = np.random.default_rng(0).integers(0, 255, (140, 140, 3), dtype=np.uint8)
    for i in range(7):
        (faces,) = step.push(Frame(i, i, picture))
        (crop,) = faces.crops
        assert (crop.picture is None) == sr
        assert crop.sr == sr
    assert tracker.detected == [0, 3, 6]


class Crowd:
    """A tracker with a new face every ten frames."""

    def wants_detection(self, pts_ns: int, epoch: int) -> bool:
        return False

    def update(self, frame: Frame, detections: list | None) -> tuple[FaceTrack, ...]:
        return (replace(TRACK, track_id=frame.index // 10),)


def test_what_faces_had_before_is_known_but_not_kept_for_weeks() -> None:
    asked: list[bool | None] = []

    def wants(face_px: float, had: bool | None) -> bool:
        asked.append(had)
        return False

    step = FaceStep(ReplayDetector([[]], loop=True), Crowd(), wants)
    picture = np.zeros((140, 140, 3), np.uint8)
    for i in [*range(200), *range(FORGET_FRAMES + 150, FORGET_FRAMES + 160)]:
        step.push(Frame(i, i, picture))
    assert asked == [None, *[False] * 9] * 21
    assert len(step._had_sr) == 6


def test_with_a_veil_every_frame_is_searched_and_every_find_handed_on() -> None:
    from stream_mer.face.boxes import detection_at

    found = detection_at(Similarity(1.0, 0.0, 5.0, 5.0))
    tracker = OneFace()
    step = FaceStep(ReplayDetector([[found]], loop=True), tracker, lambda face_px, had: False, veil=True)
    for i in range(4):
        (faces,) = step.push(Frame(i, i, np.zeros((140, 140, 3), np.uint8)))
        assert len(faces.veiled) == 1
    assert tracker.detected == [0, 1, 2, 3]
