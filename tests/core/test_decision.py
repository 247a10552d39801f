"""Candidates become events or rejections: each veto by a film of its own, thresholds last, in time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.baseline import EvidenceBaseline, log_odds, moved
from stream_mer.core.decision import MOST_ENDS, SAME_EVENT, Candidate, CandidateFinder, Judge
from stream_mer.core.memory import FaceMemory
from stream_mer.core.signals import EYES, MOUTH, SKIN, Signals, measure_signals
from stream_mer.core.vetoes import DEFAULT, VETOES, VetoLimits, veto
from stream_mer.types import (
    LABELS,
    REASONS,
    USUAL,
    Box,
    Event,
    FaceCrop,
    FaceTrack,
    ImageU8,
    Score,
    Similarity,
)

MS = 1_000_000
SIZE = (400, 400)
ONSET, APEX, OFFSET = 1000 * MS, 1080 * MS, 1160 * MS
RNG = np.random.default_rng(1)
COARSE = RNG.uniform(60, 200, (16, 16))
FACE = np.repeat(np.repeat(COARSE, 8, 0), 8, 1)


def big(mask: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(mask, 2, 0), 2, 1)


def pulse(t_ms: float) -> float:
    """How far an event from 1000 to 1160 ms has come, 0..1."""
    return float(np.sin(np.pi * np.clip((t_ms - 1000) / 160, 0, 1)) ** 2)


def event_picture(t_ms: float) -> np.ndarray:
    """A mouth corner that moves a little."""
    out = FACE.copy()
    out[84:100, 76:92] += 12 * pulse(t_ms)
    return out


def blink(t_ms: float) -> np.ndarray:
    return np.where(big(EYES), FACE + 60 * pulse(t_ms), FACE)


def lamp(t_ms: float) -> np.ndarray:
    return FACE * (1 + 0.15 * pulse(t_ms))


def cut(t_ms: float) -> np.ndarray:
    return FACE if t_ms < 1080 else 260 - FACE[:, ::-1]


def flash_cut(t_ms: float) -> np.ndarray:
    return 260 - FACE[:, ::-1] if 1040 <= t_ms < 1120 else FACE


def speech(t_ms: float) -> np.ndarray:
    return np.where(big(MOUTH), FACE + 20 * np.sin(2 * np.pi * 4 * t_ms / 1000), FACE)


def frozen(t_ms: float) -> np.ndarray:
    return event_picture(950 if 930 < t_ms < 1130 else t_ms)


def turning(t_ms: float) -> Similarity:
    return Similarity(1, 0, 100 + 12 * pulse(t_ms), 100)


def leaving(t_ms: float) -> Similarity:
    return Similarity(1, 0, 320, 100)


def still(t_ms: float) -> Similarity:
    return Similarity(1, 0, 100, 100)


def remember(picture=event_picture, pose=still, *, until_ms=1400, quality=0.99, lost=(), after_ms=0):
    """A second and a half at 50 fps; frames whose time lies in ``lost`` are missing."""
    memory = FaceMemory()
    noise = np.random.default_rng(0)
    for t in range(0, until_ms, 20):
        if any(a <= t < b for a, b in lost):
            continue
        if not (picture is frozen and 930 < t < 1130):
            grain = noise.normal(0, 1.5, FACE.shape)
        drawn = picture(t) + grain
        memory.push([crop(t, drawn, pose(t), quality)], SIZE, t * MS)
    if after_ms:
        memory.push([], SIZE, (until_ms + after_ms) * MS)
    return memory


def crop(t_ms: float, picture: np.ndarray, pose: Similarity, quality: float = 0.99) -> FaceCrop:
    rgb: ImageU8 = np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[:, :, None], 3, 2)
    track = FaceTrack(1, 0, Box(0, 0, 92, 92), pose, 92.0, quality)
    return FaceCrop(track, 0, round(t_ms * MS), 0, rgb[:32, :32].copy(), rgb)


def reasons(memory: FaceMemory) -> set[str]:
    signals = measure_signals(memory, 1, ONSET, APEX, OFFSET)
    assert signals is not None
    return {name for name in VETOES if veto(signals, VetoLimits(), (name,))}


def test_a_plain_event_meets_no_veto() -> None:
    assert reasons(remember()) == set()


def test_a_still_face_repeats_no_frames() -> None:
    """Where nothing moves a codec gives the very same picture again: before and after an event, not in it."""
    memory = FaceMemory()
    for t in range(0, 1400, 20):
        memory.push([crop(t, event_picture(t), still(t))], SIZE, t * MS)
    signals = measure_signals(memory, 1, ONSET, APEX, OFFSET)
    assert signals is not None
    assert signals.frozen < 0.2
    assert "gap" not in reasons(memory)


@pytest.mark.parametrize(
    ("reason", "film"),
    [
        ("blink", {"picture": blink}),
        ("light", {"picture": lamp}),
        ("cut", {"picture": cut}),
        ("cut", {"picture": flash_cut}),
        ("speech", {"picture": speech}),
        ("gap", {"picture": frozen}),
        ("gap", {"lost": [(1040, 1100)]}),
        ("head motion", {"pose": turning}),
        ("edge", {"pose": leaving}),
        ("lost", {"lost": [(1200, 1400)], "after_ms": 100}),
        ("lost", {"quality": 0.6}),
    ],
)
def test_each_disturbance_is_named(reason: str, film: dict) -> None:
    found = reasons(remember(**film))
    assert reason in found
    assert found <= {reason, "cut", "light"} if reason in ("light", "cut") else found == {reason}


def test_every_reason_has_a_veto_and_the_default_is_known() -> None:
    assert set(VETOES) == set(REASONS)
    assert set(DEFAULT) <= set(REASONS)


def measured(**film) -> Signals:
    signals = measure_signals(remember(**film), 1, ONSET, APEX, OFFSET)
    assert signals is not None
    return signals


def test_motion_of_the_head_is_measured_in_px_a_second_and_px() -> None:
    drifting = measured(pose=lambda t: Similarity(1, 0, 100 + 0.05 * t, 100))
    assert drifting.speed == pytest.approx(50, rel=1e-6)
    assert drifting.swing == pytest.approx(0, abs=0.05), "drifting on is no swing"
    top = np.mean([pulse(t) for t in (1060, 1080, 1100)])
    steps = np.diff([pulse(t) for t in range(900, 1400, 20)])
    swung = measured(pose=turning)
    assert swung.swing == pytest.approx(12 * top, rel=0.02)
    assert swung.speed == pytest.approx(12 * np.abs(steps).max() / 0.02, rel=0.02)


def test_changes_of_regions_and_brightness_are_measured_in_grey_levels() -> None:
    top = np.mean([pulse(t) for t in (1060, 1080, 1100)])
    eyes = measured(picture=blink)
    assert eyes.eyes == pytest.approx((60 * top) ** 2, rel=0.05)
    assert max(eyes.brows, eyes.mouth, eyes.skin) < 5
    lit = measured(picture=lamp)
    assert lit.flash == pytest.approx(0.15 * top, rel=0.05)
    assert lit.lit > 0.95
    assert measured().flash < 0.02


def test_likeness_is_the_correlation_of_the_skin() -> None:
    before, after = (np.clip(picture, 0, 255)[::2, ::2][SKIN] for picture in (cut(0), cut(2000)))
    top = (before + 2 * after) / 3  # 1060 lies before the cut, 1080 and 1100 after it
    expected = min(np.corrcoef(before, other)[0, 1] for other in (top, after))
    assert measured(picture=cut).likeness == pytest.approx(expected, abs=0.02)
    assert measured().likeness > 0.99


def test_a_mouth_that_moves_four_times_to_and_fro_a_second_turns_eight_times() -> None:
    talking = measured(picture=speech)
    assert talking.turns == pytest.approx(8, abs=0.7)
    assert talking.chatter == pytest.approx(1, abs=0.35), "as strongly before as during"
    assert measured().chatter < 0.6


def test_times_and_places_are_measured() -> None:
    assert measured(lost=[(1040, 1100)]).gap == pytest.approx(4.0)
    assert measured().gap == pytest.approx(1.0)
    assert measured(lost=[(1200, 1400)], after_ms=100).gone_s == pytest.approx(0.32)
    assert measured().gone_s == 0
    assert measured(quality=0.6).quality == pytest.approx(0.6)
    assert measured(pose=leaving).outside == pytest.approx(3 / 8), "3 of 8 columns lie beyond 400 px"


def test_without_pictures_before_or_after_nothing_is_measured() -> None:
    assert measure_signals(FaceMemory(), 1, ONSET, APEX, OFFSET) is None
    assert measure_signals(remember(until_ms=1100), 1, ONSET, APEX, OFFSET) is None


def event(probability: float = 0.9, onset_ns: int = ONSET, track: int = 1) -> Event:
    return Event(
        "", "s", 0, track, onset_ns, onset_ns + 80 * MS, onset_ns + 160 * MS, LABELS[2], probability,
        (0, 0, probability, 0, 0), 92.0, False,
    )  # fmt: skip


QUIET = Signals(1, 1, 1, 1, 0, 0, 5, 0.1, 0.99, 0.99, 0, 0, 1, 0, 0, 0.0)


def test_the_threshold_and_the_vetoes_decide_and_a_rejection_says_why() -> None:
    judge = Judge(0.8, "digest", ("blink",))
    blinking = replace(QUIET, eyes=200.0)
    rows = [
        Candidate(event(0.79), QUIET, 0),
        Candidate(event(0.8, 2000 * MS), QUIET, 0),
        Candidate(event(0.95, 3000 * MS), blinking, 0),
        Candidate(event(0.85, 4000 * MS), None, 0),
    ]
    events, rejected = judge.judge(rows)
    assert [e.onset_ns // MS for e in events] == [2000, 4000]
    (one,) = rejected
    assert (one.reason, one.label, one.probability) == ("blink", "disgust", 0.95)
    assert "200" in one.detail or "times" in one.detail
    assert Judge(0.8, "digest", ()).judge(rows)[1] == ()


def test_ids_are_reproducible_and_tell_sources_tracks_and_onsets_apart() -> None:
    def identity(e: Event, digest: str = "d") -> str:
        ((found,), _) = Judge(0.5, digest).judge([Candidate(e, None, 0)])
        return found.id

    first = identity(event())
    assert len(first) == 16
    assert first == identity(event(0.7))
    others = {identity(event(), "x"), identity(event(track=2)), identity(event(onset_ns=ONSET + 1))}
    assert len(others | {first}) == 4


def test_what_overlaps_the_event_before_too_far_is_the_same_event_and_the_log_says_so() -> None:
    rows = [Candidate(event(0.9, t * MS), None, 0) for t in (1000, 1100, 1200)]
    events, rejected = Judge(0.5, "d").judge(rows)
    assert [e.onset_ns // MS for e in events] == [1000, 1200]
    (rest,) = rejected
    assert (rest.reason, rest.onset_ns, rest.probability) == ("same event", 1100 * MS, 0.9)
    assert "38% of it lies before the end" in rest.detail


def test_of_each_hill_of_evidence_one_peak_is_an_event() -> None:
    """The first that reaches the threshold: it cannot be taken back. Below it, the summit is not lost."""
    foot = Candidate(event(0.6), None, 0, hill=1)
    summit = Candidate(event(0.95, OFFSET + 40 * MS), None, 0, hill=1)
    events, (rest,) = Judge(0.5, "d").judge([foot, summit])
    assert [e.probability for e in events] == [0.6]
    assert (rest.reason, rest.probability) == ("same event", 0.95)
    assert "did not fall" in rest.detail
    events, rejected = Judge(0.7, "d").judge([foot, summit])
    assert [e.probability for e in events] == [0.95]
    assert rejected == ()
    assert len(Judge(0.5, "d").judge([foot, replace(summit, hill=2)])[0]) == 2
    assert len(Judge(0.5, "d").judge([replace(foot, hill=None), replace(summit, hill=None)])[0]) == 2


def test_what_overlaps_by_the_limit_exactly_is_an_event_of_its_own() -> None:
    shared = round(SAME_EVENT * 160 * MS)
    for more, reported in ((0, 2), (1, 1)):
        rows = [Candidate(event(0.9, t), None, 0) for t in (ONSET, OFFSET - shared - more)]
        assert len(Judge(0.5, "d").judge(rows)[0]) == reported


def test_an_event_is_not_cut_below_the_shortest_one_by_the_event_before_it() -> None:
    """50 ms of which 14 lie before the end of the one before: 40 ms from there on, not 36."""
    short = replace(event(0.9, OFFSET - 14 * MS), apex_ns=OFFSET + 5 * MS, offset_ns=OFFSET + 36 * MS)
    rows = [Candidate(event(), None, OFFSET), Candidate(short, None, OFFSET + 200 * MS)]
    (_, second), rejected = Judge(0.5, "d", min_ns=40 * MS).judge(rows)
    assert (second.onset_ns, second.offset_ns) == (OFFSET, OFFSET + 40 * MS)
    assert rejected == ()
    third = Candidate(event(0.9, OFFSET + 38 * MS), None, OFFSET + 500 * MS)
    (*_, last), _ = Judge(0.5, "d", min_ns=40 * MS).judge([*rows, third])
    assert last.onset_ns == OFFSET + 40 * MS, "it begins where the lengthened one ended"
    rows[1] = replace(rows[1], decided_ns=OFFSET + 39 * MS)
    events, (rest,) = Judge(0.5, "d", min_ns=40 * MS).judge(rows)
    assert len(events) == 1
    assert rest.reason == "same event"
    assert "shortest" in rest.detail, "it cannot end in pictures that have not come yet"


@given(
    st.lists(
        st.tuples(st.integers(0, 2000), st.integers(40, 200), st.integers(1, 2), st.floats(0.4, 1)),
        max_size=30,
    )
)
def test_events_are_long_enough_apart_and_every_candidate_is_accounted_for(
    rows: list[tuple[int, int, int, float]],
) -> None:
    found = [
        Candidate(
            replace(event(p, t * MS, track), apex_ns=(t + d // 2) * MS, offset_ns=(t + d) * MS),
            None,
            (t + d + 60) * MS,
        )
        for t, d, track, p in sorted(rows)
    ]
    events, rejected = Judge(0.5, "d", min_ns=40 * MS).judge(found)
    assert len(events) + len(rejected) == sum(c.event.probability >= 0.5 for c in found)
    assert all(40 * MS <= e.offset_ns - e.onset_ns <= 200 * MS for e in events)
    for track in (1, 2):
        mine = [e for e in events if e.track_id == track]
        assert all(a.offset_ns <= b.onset_ns for a, b in pairwise(mine))


def test_people_who_come_and_go_for_weeks_are_not_all_remembered() -> None:
    judge = Judge(0.5, "d")
    for person in range(2 * MOST_ENDS):
        judge.judge([Candidate(event(track=person), None, 0), Candidate(event(track=0), None, 0)])
    assert len(judge._ends) == MOST_ENDS


def test_who_is_seen_now_and_then_is_not_forgotten_among_many() -> None:
    judge = Judge(0.5, "d")
    for second in range(3 * MOST_ENDS // 2):
        passing, regular = event(track=second + 1), event(0.9, second * 1000 * MS, 0)
        judge.judge([Candidate(passing, None, 0), Candidate(regular, None, 0)])
    for person in range(MOST_ENDS - 1):
        judge.judge([Candidate(event(track=10_000 + person), None, 0)])
    rest = event(0.9, regular.offset_ns - 100 * MS, 0)
    assert judge.judge([Candidate(rest, None, 0)])[0] == ()


def test_events_of_one_track_do_not_overlap_but_rejected_ones_take_no_room() -> None:
    rows = [Candidate(event(0.9, t * MS), None, 0) for t in (1000, 1130)]
    (first, second), _ = Judge(0.5, "d").judge(rows)
    assert second.onset_ns == first.offset_ns
    assert second.apex_ns == 1210 * MS, "the apex stays where it was seen"
    assert second.onset_ns <= second.apex_ns < second.offset_ns
    blinking = replace(QUIET, eyes=200.0)
    rows[0] = Candidate(event(0.9), blinking, 0)
    (only,), _ = Judge(0.5, "d", ("blink",)).judge(rows)
    assert only.onset_ns == 1130 * MS


VETO_LIMITS = [
    ("blink", {"eyes": 60.0, "brows": 1.0}, {"eyes": 61.0}),
    ("blink", {"eyes": 80.0, "mouth": 20.0}, {"eyes": 81.0}),
    ("head motion", {"speed": 120.0}, {"speed": 121.0}),
    ("head motion", {"swing": 2.5}, {"swing": 2.6}),
    ("speech", {"mouth": 2.0, "turns": 2.5, "chatter": 0.6}, {"chatter": 0.7}),
    ("speech", {"mouth": 2.0, "turns": 2.4, "chatter": 0.7}, {"turns": 2.5}),
    ("speech", {"mouth": 2.0, "brows": 2.0, "turns": 3.0, "chatter": 0.7}, {"brows": 1.9}),
    ("cut", {"likeness": 0.4}, {"likeness": 0.39}),
    ("gap", {"gap": 1.75}, {"gap": 1.76}),
    ("gap", {"frozen": 0.3}, {"frozen": 0.31}),
    ("light", {"lit": 0.9, "flash": 0.03}, {"lit": 0.91}),
    ("light", {"lit": 0.95, "flash": 0.02}, {"flash": 0.021}),
    ("edge", {"outside": 0.12}, {"outside": 0.13}),
    ("lost", {"gone_s": 0.06}, {"gone_s": 0.07}),
    ("lost", {"quality": 0.75}, {"quality": 0.74}),
]


@pytest.mark.parametrize(("reason", "still", "beyond"), VETO_LIMITS)
def test_each_veto_begins_beyond_its_limit(reason: str, still: dict, beyond: dict) -> None:
    assert veto(replace(QUIET, **still), VetoLimits(), REASONS) is None
    found = veto(replace(QUIET, **still | beyond), VetoLimits(), REASONS)
    assert found is not None
    assert found[0] == reason


def test_what_spoils_the_pictures_is_named_before_what_moves_the_face() -> None:
    everything = replace(
        QUIET, eyes=500.0, speed=500.0, mouth=2.0, turns=3.0, chatter=1.0, gap=3.0, lit=0.95, flash=0.1,
        outside=0.5, quality=0.1, likeness=0.1,
    )  # fmt: skip
    order = ["cut", "gap", "lost", "edge", "light", "blink", "head motion"]
    for already in range(len(order)):
        found = veto(everything, VetoLimits(), set(REASONS) - set(order[:already]))
        assert found is not None
        assert found[0] == order[already]


def test_a_stronger_score_within_70_ms_takes_the_place_and_a_later_one_is_of_the_same_hill() -> None:
    """The classifier's own offset is 1130 ms; its last picture comes 80 ms later, at 1210."""
    first = Score(1, 0, 0, 1080 * MS, 100 * MS, (0.0, 0.0, 0.6, 0.0, 0.0), 92.0, False)
    stronger = replace(first, centre_ns=1120 * MS, probabilities=(0.0, 0.0, 0.9, 0.0, 0.0))
    for comes_ms, expected in ((1270, [0.9]), (1290, [0.6, 0.9])):
        finder = CandidateFinder("s", min_ns=40 * MS, max_ns=200 * MS, look_ahead_ns=80 * MS)
        found = finder.push([first], [], SIZE, 1210 * MS)
        found += finder.push([], [], SIZE, 1279 * MS) if comes_ms > 1279 else []
        assert found == []
        found += finder.push([], [], SIZE, 1280 * MS) if comes_ms > 1280 else []
        found += finder.push([stronger], [], SIZE, comes_ms * MS)
        found += finder.flush(2000 * MS)
        assert [c.event.probability for c in found] == expected
        assert len({c.hill for c in found}) == 1


@pytest.mark.parametrize("fps", [25, 60, 200])
def test_an_event_is_decided_within_150_ms_of_its_offset_plus_the_look_ahead(fps: int) -> None:
    """The promise: the look-ahead is 80 ms, and a frame may have to be waited for."""
    look_ahead = 80
    finder = CandidateFinder("s", min_ns=40 * MS, max_ns=200 * MS, look_ahead_ns=look_ahead * MS)
    waiting = [
        Score(1, 0, 0, c * MS, d * MS, (0.0, 0.0, p, 0.0, 0.0), 92.0, False)
        for c, d, p in ((1060, 164, 0.6), (1080, 164, 0.9), (1100, 109, 0.7), (1080, 73, 0.5))
    ]
    found: list[tuple[float, Candidate]] = []
    for number in range(fps * 2):
        now = number * 1000 / fps
        due = [s for s in waiting if (s.centre_ns + s.duration_ns // 2) / MS + look_ahead <= now]
        waiting = [s for s in waiting if s not in due]
        crops = [crop(now, event_picture(now), still(now))]
        found += [(now, c) for c in finder.push(due, crops, SIZE, round(now * MS))]
    ((now, candidate),) = found
    assert now - candidate.event.offset_ns / MS <= 150 + look_ahead + 1000 / fps
    assert candidate.signals is not None
    assert candidate.decided_ns == round(now * MS)


def test_what_a_face_gives_all_the_time_is_taken_off_its_events_but_moves_no_limit() -> None:
    """Two seconds of restless scores below the floor, then a clear event."""

    def found(share: float) -> list[Candidate]:
        finder = CandidateFinder(
            "s", min_ns=40 * MS, max_ns=200 * MS, look_ahead_ns=80 * MS, usual=EvidenceBaseline(share)
        )
        candidates = []
        for i in range(100):
            p = 0.9 if i == 80 else 0.05
            one = Score(1, 0, 0, 40 * i * MS, 100 * MS, (0.0, 0.0, p, 0.0, 0.0), 92.0, False)
            candidates += finder.push([one], [], SIZE, (40 * i + 130) * MS)
        return candidates + finder.flush(5000 * MS)

    (raw,), (lowered,) = found(0.0), found(1.0)
    assert (raw.usual, raw.event.probability) == (0.0, 0.9)
    assert lowered.usual == pytest.approx(log_odds(0.05) + 6, abs=1e-6)
    assert log_odds(lowered.event.probability) == pytest.approx(log_odds(0.9) - lowered.usual)
    assert moved(lowered.event, lowered.usual).probability == pytest.approx(0.9)
    assert (lowered.event.onset_ns, lowered.event.offset_ns) == (raw.event.onset_ns, raw.event.offset_ns)
    events, ((rejected),) = Judge(0.8, "d", ()).judge([lowered])
    assert events == ()
    assert rejected.reason == USUAL
    assert rejected.detail.startswith("p 0.90 is 0.30 without")
    assert Judge(0.95, "d", ()).judge([lowered]) == ((), ()), "it would not have passed anyway"
    assert len(Judge(0.29, "d", ()).judge([lowered])[0]) == 1
