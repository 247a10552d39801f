"""Hands cover what they lie over, nothing else, and never an event that must be seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.synth.demo import demo_portrait
from stream_mer.synth.hands import LASTS_S, cover, draw_hands
from stream_mer.synth.schedule import GUARD_S

PORTRAIT, MESH = demo_portrait()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), events=st.lists(st.floats(0.5, 9.0), max_size=4))
def test_no_hand_comes_near_an_event_or_another_hand(seed: int, events: list[float]) -> None:
    spans = [(t, t + 0.15) for t in events]
    visits = draw_hands(seed, 10.0, 60.0, avoid_s=spans)
    assert visits == tuple(sorted(visits, key=lambda v: v.onset_s))
    for visit in visits:
        assert 0 <= visit.onset_s < visit.offset_s <= 10.0 + 1e-9
        assert LASTS_S[0] <= visit.offset_s - visit.onset_s <= LASTS_S[1] + 1e-9
        assert all(visit.offset_s <= a - GUARD_S or visit.onset_s >= b + GUARD_S for a, b in spans)
    for one, other in pairwise(visits):
        assert one.offset_s <= other.onset_s


def test_frames_without_a_hand_are_left_alone_and_others_change_on_the_face() -> None:
    visits = draw_hands(3, 20.0, 30.0)
    assert visits
    changed = 0
    before = PORTRAIT.copy()
    for visit in visits:
        assert cover(PORTRAIT, visit.onset_s - 1e-3, MESH, ()) is PORTRAIT
        middle = 0.5 * (visit.onset_s + visit.offset_s)
        shown = cover(PORTRAIT, middle, MESH, visits)
        assert shown.shape == PORTRAIT.shape
        assert shown.dtype == np.uint8
        changed += int((shown != PORTRAIT).any(axis=2).sum() > 200)
    assert changed >= 0.8 * len(visits)
    np.testing.assert_array_equal(PORTRAIT, before)


def test_the_hand_has_the_colour_of_the_skin() -> None:
    visit = draw_hands(3, 20.0, 30.0)[0]
    green = PORTRAIT.copy()
    green[:] = (40, 200, 90)
    shown = cover(green, 0.5 * (visit.onset_s + visit.offset_s), MESH, [visit])
    covered = (shown != green).any(axis=2)
    ratio = shown[covered].astype(float).mean(0) / (40, 200, 90)
    assert ratio.max() / ratio.min() < 1.1


def test_same_seed_same_hands_and_the_versions_differ() -> None:
    one, two = draw_hands(5, 30.0, 30.0), draw_hands(5, 30.0, 30.0)
    assert [(a.onset_s, a.size) for a in one] == [(b.onset_s, b.size) for b in two]
    other = draw_hands(5, 30.0, 30.0, version="test")
    assert {v.onset_s for v in one}.isdisjoint({v.onset_s for v in other})


@pytest.mark.parametrize("shift", [(-5000.0, 0.0), (0.0, 5000.0)])
def test_a_face_outside_the_picture_needs_no_hand(shift: tuple[float, float]) -> None:
    visit = draw_hands(3, 20.0, 30.0)[0]
    moved = MESH.copy()
    moved[:, :2] += shift
    shown = cover(PORTRAIT, 0.5 * (visit.onset_s + visit.offset_s), moved, [visit])
    np.testing.assert_array_equal(shown, PORTRAIT)
