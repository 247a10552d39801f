"""``--sr``: who goes through LR and SR, and that a face at the edge does not flicker between the two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.app.compose import AUTO_SR_BELOW_PX, SR_SLACK, wants_sr

LOW, HIGH = AUTO_SR_BELOW_PX * (1 - SR_SLACK), AUTO_SR_BELOW_PX * (1 + SR_SLACK)


@given(st.floats(1, 1000), st.sampled_from([None, True, False]))
def test_always_and_never_look_at_nothing(face_px: float, had: bool | None) -> None:
    assert wants_sr("always")(face_px, had)
    assert not wants_sr("never")(face_px, had)


@pytest.mark.parametrize(
    ("face_px", "had", "wanted"),
    [
        (AUTO_SR_BELOW_PX - 0.1, None, True),
        (AUTO_SR_BELOW_PX, None, False),
        (HIGH - 0.1, True, True),
        (HIGH, True, False),
        (LOW, False, False),
        (LOW - 0.1, False, True),
    ],
)
def test_auto_decides_by_width_and_changes_over_only_past_the_slack(
    face_px: float, had: bool | None, wanted: bool
) -> None:
    assert wants_sr("auto")(face_px, had) == wanted


def test_a_face_that_comes_nearer_and_goes_changes_over_twice_however_it_wobbles() -> None:
    rng = np.random.default_rng(0)
    path = np.concatenate([np.linspace(20, 60, 200), np.linspace(60, 20, 200)])
    wants, had, seen = wants_sr("auto"), None, []
    for width in path + rng.uniform(-2.5, 2.5, len(path)):
        had = wants(float(width), had)
        seen.append(had)
    assert np.abs(np.diff(np.array(seen, int))).sum() == 2
    assert (seen[0], seen[200], seen[-1]) == (True, False, True)
