"""Where engines come from: a wheel, a checkout, or a folder the user names."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_networks import install, super_resolver

from stream_mer.errors import EngineError
from stream_mer.runtime.manifest import write_manifest
from stream_mer.runtime.shipped import calibration_root, engines_root, find_manifest, shipped


@pytest.mark.parametrize("kind", ["engines", "calibration"])
def test_a_wheel_goes_before_a_checkout(tmp_path: Path, kind: str) -> None:
    package = tmp_path / "stream_mer"
    (package / "_shipped").mkdir(parents=True)
    with pytest.raises(EngineError, match="install stream-mer again"):
        shipped(kind, package)
    (tmp_path / kind).mkdir()
    assert shipped(kind, package) == tmp_path / kind
    (package / "_shipped" / kind).mkdir()
    assert shipped(kind, package) == package / "_shipped" / kind


def test_this_installation_has_both() -> None:
    assert engines_root().name == "engines"
    assert calibration_root().name == "calibration"


def test_an_explicit_folder_wins_and_must_exist(tmp_path: Path) -> None:
    assert engines_root(tmp_path) == tmp_path
    assert calibration_root(tmp_path) == tmp_path
    with pytest.raises(EngineError, match="nowhere"):
        engines_root(tmp_path / "nowhere")


def test_an_unknown_engine_is_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="none at all"):
        find_manifest("tiny", tmp_path)
    for name in ("tiny", "small"):
        write_manifest(tmp_path / name, install(tmp_path, name, super_resolver()))
    assert find_manifest("tiny", tmp_path).name == "tiny"
    with pytest.raises(EngineError, match="'huge'; there are: small, tiny"):
        find_manifest("huge", tmp_path)
