"""When the listed calibration crops count as the ones that are cut now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream_mer.errors import ConfigError
from stream_mer.training.samples import SampleRow, require_alike

LISTED = tuple(SampleRow("range", f"{n}.jpg", str(n), "here", "crop", n, "p", f"{n}") for n in range(20))


def others(count: int) -> tuple[SampleRow, ...]:
    return tuple(replace(row, crop_sha256="other") if i < count else row for i, row in enumerate(LISTED))


@pytest.mark.parametrize("count", [0, 2, 10])
def test_another_processors_last_bits_are_no_other_crops(count: int) -> None:
    assert require_alike(LISTED, others(count)) == 20 - count


def test_another_way_of_cutting_is_told() -> None:
    with pytest.raises(ConfigError, match="11 of 20 crops are cut otherwise now"):
        require_alike(LISTED, others(11))


def test_a_face_that_is_not_found_any_more_is_told() -> None:
    with pytest.raises(ConfigError, match="1 of 20 listed pictures show no frontal face"):
        require_alike(LISTED, LISTED[1:])
