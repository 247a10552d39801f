"""Where engines come from: a wheel, a checkout, or a folder the user names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_networks import install, super_resolver

from stream_mer.errors import EngineError
from stream_mer.runtime.manifest import write_manifest
from stream_mer.runtime.open import open_engine
from stream_mer.runtime.openvino import bf16_available
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


@pytest.mark.parametrize(
    ("name", "precision"), [("cnn-mer", "f32"), ("compact-x4", "f32"), ("compact-x4", "bf16")]
)
def test_the_number_of_threads_changes_not_one_bit(name: str, precision: str) -> None:
    """Runs with other numbers of workers, and of cores, must give the same events."""
    if precision == "bf16" and not bf16_available():
        pytest.skip("this processor has no bf16")
    manifest = find_manifest(name, engines_root())
    spec = manifest.inputs
    batch = np.random.default_rng(3).integers(0, 256, (3, *map(int, spec.shape[1:]))).astype(spec.numpy_dtype)

    def answers(threads: int) -> list[bytes]:
        engine = open_engine(manifest, backend="openvino", precision=precision, threads=threads)
        outputs = [output.tobytes() for output in engine.run(batch)]
        engine.close()
        return outputs

    alone = answers(1)
    assert [len(set(output)) > 1 for output in alone] == [True] * len(alone)
    assert answers(3) == alone
