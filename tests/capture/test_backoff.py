"""Pauses grow, stay within their bounds, and start over after a healthy connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.capture.backoff import Backoff, BackoffSettings, is_final
from stream_mer.capture.faults import SourceRefused, explain
from stream_mer.errors import SourceDamaged, SourceError, SourceNotFound

S = 1_000_000_000


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100 * S), st.floats(0, 1)), max_size=200))
def test_pause_is_always_within_bounds(steps: list[tuple[bool, int, float]]) -> None:
    backoff, now = Backoff(), 0
    for connect, elapsed, chance in steps:
        if connect:
            backoff.connected(now)
        now += elapsed
        assert 0.5 * S <= backoff.lost(now, chance) - now <= 30 * S


def test_doubles_up_to_the_longest() -> None:
    backoff = Backoff()
    pauses = [backoff.lost(0, 0.0) / S for _ in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_jitter_only_shortens() -> None:
    backoff = Backoff()
    backoff.lost(0, 1.0)
    assert backoff.lost(0, 1.0) == pytest.approx(0.8 * S)


def test_starts_over_only_after_a_healthy_connection() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.lost(0, 0.0)
    backoff.connected(0)
    assert backoff.lost(1 * S, 0.0) - 1 * S == 8 * S  # died too soon
    backoff.connected(0)
    assert backoff.lost(11 * S, 0.0) - 11 * S == S // 2


def test_survives_weeks_of_failing() -> None:
    backoff = Backoff()
    assert all(backoff.lost(0, 0.0) <= 30 * S for _ in range(5000))


@pytest.mark.parametrize("bad", [{"first_s": 0.0}, {"first_s": 2.0, "longest_s": 1.0}, {"jitter": 1.5}])
def test_settings_check_themselves(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        BackoffSettings(**bad)


def test_what_is_final() -> None:
    assert is_final(SourceRefused("x"), was_connected=True)
    assert is_final(SourceNotFound("x"), was_connected=False)
    assert not is_final(SourceNotFound("x"), was_connected=True)
    assert not is_final(SourceError("x"), was_connected=False)


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("HTTPUnauthorizedError", SourceRefused, "password"),
        ("HTTPForbiddenError", SourceRefused, "forbids"),
        ("HTTPNotFoundError", SourceNotFound, "path"),
        ("ConnectionRefusedError", SourceError, "port"),
        ("ExitError", SourceError, "no data in time"),
        ("InvalidDataError", SourceDamaged, "no video"),
        ("SomethingNew", SourceError, "the reason"),
    ],
)
def test_faults_have_distinct_words(kind: str, error: type[SourceError], words: str) -> None:
    made = explain(kind, "the reason", "rtsp://***@h/x", at_s=None)
    assert type(made) is error
    assert words in str(made)
    assert 1 <= len(str(made).splitlines()) <= 3
    assert "12.5 s" in str(explain(kind, "the reason", "rtsp://h/x", at_s=12.5))
