"""Scores become events: one per peak, in order, deterministic, within the band."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.spotting import Peak, Spotter, SpotterSettings
from stream_mer.types import LABELS, Score

MS = 1_000_000
SETTINGS = SpotterSettings(floor=0.5, min_ns=40 * MS, max_ns=200 * MS, hold_ns=240 * MS, rearm=2.0)
PATIENT = replace(SETTINGS, hold_ns=10_000 * MS)
"""Without hysteresis, and in no hurry: what it then gives can be said in one sentence."""
CLOSE = SpotterSettings(floor=0.3, min_ns=40 * MS, max_ns=200 * MS, hold_ns=150 * MS)


def score(centre_ms: int, p: float, *, length_ms: int = 100, label: int = 0, track: int = 1) -> Score:
    probabilities = [0.0] * len(LABELS)
    probabilities[label] = p
    return Score(track, 0, 0, centre_ms * MS, length_ms * MS, tuple(probabilities))


def run(scores: list[Score], settings: SpotterSettings = SETTINGS) -> list:
    """Scores arrive when their windows are complete, as they do in the product."""
    spotter = Spotter(settings, "clip.mp4")
    found = []
    for s in sorted(scores, key=lambda s: s.centre_ns + s.duration_ns // 2):
        found += spotter.push([s], s.centre_ns + s.duration_ns // 2 + 80 * MS)
    return [peak.event for peak in found + spotter.flush()]


def peaks(scores: list[Score]) -> list[Score]:
    """Greedy non-maximum suppression over everything at once: what causal spotting must equal."""
    left = sorted(scores, key=lambda s: (-s.event_probability, s.centre_ns, s.duration_ns))
    kept: list[Score] = []
    for s in left:
        span = (s.centre_ns - s.duration_ns // 2, s.centre_ns + s.duration_ns // 2)
        if s.event_probability >= SETTINGS.floor and not any(
            span[0] < k.centre_ns + k.duration_ns // 2 and k.centre_ns - k.duration_ns // 2 < span[1]
            for k in kept
        ):
            kept.append(s)
    return kept


def test_one_peak_is_one_event_at_its_centre() -> None:
    (event,) = run([score(t, 0.9 - abs(t - 500) / 200, label=2) for t in range(400, 601, 20)])
    assert abs(event.apex_ns - 500 * MS) <= 5 * MS
    assert event.label == "disgust"
    assert abs(event.probability - 0.9) < 1e-9
    assert abs(sum(event.probabilities) - event.probability) < 1e-9


def limits(scores: list[Score], settings: SpotterSettings = SETTINGS) -> tuple[float, float, float]:
    """Onset, apex and offset of the one event that these scores make, ms."""
    (one,) = run(scores, settings)
    return one.onset_ns / MS, one.apex_ns / MS, one.offset_ns / MS


def test_limits_are_the_mean_of_the_windows_that_support_the_winner_weighted_by_probability() -> None:
    best = score(500, 0.9, length_ms=160)
    assert limits([best]) == (420, 500, 580)
    near = score(480, 0.6, length_ms=160)  # [400, 560], IoU 14 / 18
    assert limits([best, near]) == pytest.approx((412, 492, 572), abs=1e-5)
    assert limits([best, near, score(480, 0.53, length_ms=160)]) == pytest.approx((412, 492, 572), abs=1e-5)
    half = score(460, 0.89, length_ms=80)  # [420, 500] is the winner's first half: IoU 0.5
    mean = [(0.9 * a + 0.89 * b) / 1.79 for a, b in ((420, 420), (500, 460), (580, 500))]
    assert limits([best, half]) == pytest.approx(mean, abs=1e-5)
    less = score(460, 0.89, length_ms=78)
    assert limits([best, less]) == (420, 500, 580)


def test_an_offset_is_moved_forward_by_40_ms_at_most() -> None:
    early = [score(450, p, length_ms=100) for p in (0.89, 0.88, 0.87)]
    onset, _, offset = limits([score(500, 0.9, length_ms=200), *early])
    assert offset == 560
    assert offset - onset == pytest.approx(125, abs=0.5)


@pytest.mark.parametrize(("length_ms", "expected"), [(20, (480, 520)), (300, (400, 600))])
def test_limits_are_brought_into_the_band_about_their_middle(
    length_ms: int, expected: tuple[float, float]
) -> None:
    onset, apex, offset = limits([score(500, 0.9, length_ms=length_ms)], PATIENT)
    late = max(0, 500 + length_ms / 2 - 40 - expected[1])
    assert (onset, offset) == (expected[0] + late, expected[1] + late)
    assert onset <= apex < offset


def test_a_stream_of_weeks_is_not_remembered() -> None:
    spotter = Spotter(CLOSE, "s")
    for second in range(60):
        spotter.push([score(1000 * second + 100, 0.9), score(1000 * second + 200, 0.1)], 1000 * second * MS)
    (lane,) = spotter._lanes.values()
    assert len(lane.course) <= 6
    assert len(lane.winners) <= 3
    assert spotter.push([], 100_000 * MS)
    spotter.push([], 100_000 * MS)
    assert spotter._lanes == {}


def test_below_threshold_is_nothing() -> None:
    assert run([score(500, 0.49)]) == []


def test_two_peaks_apart_are_two_events() -> None:
    assert len(run([score(300, 0.8), score(500, 0.9)])) == 2


def test_two_people_at_once_are_two_events() -> None:
    assert {e.track_id for e in run([score(300, 0.8, track=1), score(300, 0.8, track=2)])} == {1, 2}


def test_an_event_waits_for_stronger_overlapping_scores_but_not_longer() -> None:
    spotter = Spotter(SETTINGS, "s")
    assert spotter.push([score(500, 0.8)], 630 * MS) == []
    assert spotter.push([], 789 * MS) == []
    assert len(spotter.push([], 790 * MS)) == 1


def test_a_longer_window_that_comes_later_makes_no_second_event() -> None:
    """A short weak window behind the peak must not close it before the long window over it has come."""
    found = run([score(500, 0.9), score(580, 0.5, length_ms=40), score(540, 0.7, length_ms=160)])
    assert sorted(round(e.probability, 1) for e in found) == [0.5, 0.9]


@given(
    st.lists(
        st.tuples(
            st.integers(150, 5000),
            st.floats(0, 1),
            st.sampled_from([20, 50, 75, 110, 160, 300]),
            st.integers(0, 4),
        ),
        max_size=60,
    )
)
def test_events_are_sound_and_repeatable(rows: list[tuple[int, float, int, int]]) -> None:
    scores = [score(c, p, length_ms=d, label=k) for c, p, d, k in rows]
    events = run(scores, PATIENT)
    assert events == run(scores, PATIENT)
    for e in events:
        assert 0 <= e.onset_ns <= e.apex_ns < e.offset_ns
        assert SETTINGS.min_ns <= e.offset_ns - e.onset_ns <= SETTINGS.max_ns
        assert e.probability >= SETTINGS.floor
    assert len(events) == len(peaks(scores))


def test_a_second_peak_without_a_dip_between_is_the_same_event() -> None:
    """Hysteresis: the evidence must fall below half of the weaker peak before the next event counts."""
    first, second = score(300, 0.9), score(450, 0.8)
    between = [score(t, p) for t, p in ((340, 0.7), (375, 0.6), (410, 0.7))]
    assert len(run([first, *between, second], CLOSE)) == 1
    dipped = [score(340, 0.7), score(375, 0.3), score(410, 0.7)]
    assert len(run([first, *dipped, second], CLOSE)) == 2
    weak = score(450, 0.5)
    assert len(run([first, score(375, 0.3), weak], CLOSE)) == 1, "0.3 is below half of 0.9, not half of 0.5"
    assert len(run([first, score(375, 0.2), weak], CLOSE)) == 2


def test_peaks_far_apart_need_no_dip() -> None:
    steady = [score(t, 0.7) for t in range(300, 901, 20)]
    found = run([*steady, score(320, 0.9), score(880, 0.8)], CLOSE)
    assert {round(e.probability, 1) for e in found} >= {0.9, 0.8}


def test_a_weak_neighbour_that_would_take_the_event_for_its_rest_is_suppressed() -> None:
    wide = replace(CLOSE, margin_ns=80 * MS)
    pair = [score(300, 0.9), score(460, 0.6)]
    assert len(run(pair, CLOSE)) == 2
    assert [round(e.probability, 1) for e in run(pair, wide)] == [0.9]
    assert len(run([score(300, 0.9), score(500, 0.6)], wide)) == 2
    assert len(run([score(300, 0.9), score(480, 0.6)], wide)) == 2, "intervals are half-open: these touch"


def test_what_comes_after_the_decision_and_is_no_stronger_makes_no_second_peak() -> None:
    for later in (0.7, 0.8):
        spotter = Spotter(CLOSE, "s")
        assert spotter.push([score(500, 0.8)], 630 * MS) == []
        assert len(spotter.push([], 700 * MS)) == 1
        assert spotter.push([score(540, later, length_ms=160)], 740 * MS) == []
        assert spotter.flush() == []


def hills(scores: list[Score]) -> list[tuple[float, int]]:
    """Probability and hill of each peak, as they are decided, with a frame every 10 ms."""
    spotter, found = Spotter(CLOSE, "s"), []
    for now in range(0, 2000, 10):
        known = [s for s in scores if now - 10 < (s.centre_ns + s.duration_ns // 2) // MS + 80 <= now]
        found += spotter.push(known, now * MS)
    return [(peak.event.probability, peak.hill) for peak in found + spotter.flush()]


def test_what_is_stronger_and_comes_after_the_decision_is_a_peak_of_the_same_hill() -> None:
    """What was decided may be below the threshold: an event above it must not be lost to it."""
    (weak, first), (strong, second) = hills([score(480, 0.4, length_ms=50), score(540, 0.95, length_ms=160)])
    assert (round(weak, 2), round(strong, 2), first) == (0.4, 0.95, second)


def test_a_stronger_peak_without_a_dip_before_it_is_of_the_same_hill_and_after_one_of_another() -> None:
    first, second = score(300, 0.8), score(450, 0.9)
    slope = [score(t, p) for t, p in ((340, 0.7), (375, 0.6), (410, 0.7))]
    assert [h for _, h in hills([first, *slope, second])] == [1, 1]
    dipped = [score(340, 0.7), score(375, 0.3), score(410, 0.7)]
    assert [h for _, h in hills([first, *dipped, second])] == [1, 2]
    assert [h for _, h in hills([first, *slope, second, score(1500, 0.5)])] == [1, 1, 2]


def test_a_chain_of_ever_stronger_neighbours_makes_no_event_late() -> None:
    """Each waits for the next; when the last one wins, the first would be free again, but too late."""
    product = replace(CLOSE, margin_ns=80 * MS)
    chain = [score(300 + 60 * k, 0.5 + 0.05 * k) for k in range(10)]
    assert [round(e.probability, 2) for e in run(chain, product)] == [0.95]
    assert _latest(chain, product) <= 150 + 40 + 20


@given(
    st.lists(
        st.tuples(st.integers(100, 3000), st.floats(0.3, 1), st.sampled_from([49, 73, 109, 164])),
        min_size=1,
        max_size=60,
    ),
    st.sampled_from([0, 80]),
)
def test_every_event_is_reported_in_time(rows: list[tuple[int, float, int]], margin_ms: int) -> None:
    """Within ``hold`` of the winner's offset, and the reported offset lies at most 40 ms before that."""
    scores = [score(c, p, length_ms=d) for c, p, d in rows]
    assert _latest(scores, replace(CLOSE, margin_ns=margin_ms * MS)) <= 150 + 40 + 20


def _latest(scores: list[Score], settings: SpotterSettings, frame: int = 20) -> float:
    """How long after its offset an event was reported at most, ms, with frames every ``frame`` ms."""
    spotter, latest = Spotter(settings, "s"), 0.0
    for now in range(0, 4000, frame):
        known = [s for s in scores if now - frame < (s.centre_ns + s.duration_ns // 2) // MS + 80 <= now]
        for event in (peak.event for peak in spotter.push(known, now * MS)):
            assert now * MS >= event.offset_ns
            latest = max(latest, now - event.offset_ns / MS)
    return latest


@given(
    st.lists(
        st.tuples(st.integers(100, 2500), st.floats(0.2, 1), st.sampled_from([49, 73, 109, 164])),
        max_size=40,
    ),
    st.integers(0, 3000),
)
def test_what_is_reported_of_a_beginning_is_what_is_reported_of_the_whole(
    rows: list[tuple[int, float, int]], stop_ms: int
) -> None:
    """Causal: nothing that comes later changes what was said."""
    scores = [score(c, p, length_ms=d) for c, p, d in rows]
    said: list[list[tuple[int, Peak]]] = []
    for end in (stop_ms, 3200):
        spotter, events = Spotter(CLOSE, "s"), []
        for now in range(0, end, 20):
            known = [s for s in scores if now - 20 < (s.centre_ns + s.duration_ns // 2) // MS + 80 <= now]
            events += [(now, peak) for peak in spotter.push(known, now * MS)]
        said.append(events)
    assert said[0] == [one for one in said[1] if one[0] < stop_ms]
