"""Settings: contradictions are refused with a message that says what to do."""

from __future__ import annotations

import pytest

from stream_mer.app.compose import vetoes_of
from stream_mer.app.report import letting_through
from stream_mer.config import Settings
from stream_mer.core.vetoes import DEFAULT
from stream_mer.errors import ConfigError
from stream_mer.types import REASONS


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_duration_s": 0.3, "max_duration_s": 0.2},
        {"min_duration_s": 0.0},
        {"min_duration_s": -1.0},
        {"max_duration_s": 1.5},
        {"max_duration_s": float("nan")},
        {"min_duration_s": float("inf"), "max_duration_s": float("inf")},
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"far": 0.0},
        {"far": float("nan")},
        {"far": 1.0, "threshold": 0.5},
        {"vetoes": "blink,yawn"},
        {"sr": "sometimes"},
        {"detector": "haar"},
        {"device": "tpu"},
        {"backend": "tvm"},
        {"threads": 0},
        {"threads": 100_000},
        {"max_faces": 0},
    ],
)
def test_wrong_settings_are_refused_in_one_to_three_lines(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings(**wrong)  # type: ignore[arg-type]
    lines = str(caught.value).splitlines()
    assert 2 <= len(lines) <= 3
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, ValueError)


def test_the_description_is_plain_and_has_no_paths() -> None:
    import json
    from pathlib import Path

    described = Settings(assets=Path("/secret")).describe()
    assert "/secret" not in json.dumps(described)
    assert described["min_duration_s"] == 0.04


@pytest.mark.parametrize(
    ("words", "active"),
    [
        ("default", set(DEFAULT)),
        ("all", set(REASONS)),
        ("none", set()),
        ("blink, cut", {"blink", "cut"}),
        ("default,blink", {*DEFAULT, "blink"}),
        ("none,blink", {"blink"}),
        ("blink,all", set(REASONS)),
    ],
)
def test_vetoes_that_are_listed_together_are_all_on(words: str, active: set[str]) -> None:
    assert set(vetoes_of(Settings(vetoes=words))) == active


@pytest.mark.parametrize(("own", "asked"), [(0.9, 0.3), (0.1, 0.1), (None, 0.3)])
def test_a_report_finds_every_event_of_a_run_again(own: float | None, asked: float) -> None:
    """An event reported at ``--threshold 0.1`` was not looked for below 0.3, and the nearest face shown."""
    settings = letting_through(Settings(threshold=own, far=1.0 if own is None else None, vetoes="blink"))
    assert (settings.threshold, settings.vetoes, settings.far) == (asked, "none", None)
