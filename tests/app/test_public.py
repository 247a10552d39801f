"""The public names, compared with a list: adding or losing one is a decision, not an accident."""

from __future__ import annotations

import pytest

import stream_mer


def test_public_names() -> None:
    assert sorted(stream_mer.__all__) == [
        "Classifier",
        "SuperResolver",
        "load_classifier",
        "load_super_resolver",
        "process",
        "stream",
    ]
    for name in stream_mer.__all__:
        assert getattr(stream_mer, name).__doc__, name


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = stream_mer.nonsense
