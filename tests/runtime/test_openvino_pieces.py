"""OpenVINO's ways: memory kept for every size of batch it has seen, a stack for signals that it frees."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.runtime.shipped import engines_root


def test_live_batches_of_any_size_need_few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    (manifest,) = [m for m in list_manifests(engines_root()) if m.name == "compact-x4"]
    engine = OpenVinoEngine(manifest, threads=1)
    sizes: set[int] = set()
    whole = engine._run_piece

    def noted(batch: NDArray[np.generic], name: str) -> tuple[NDArray[np.generic], ...]:
        sizes.add(len(batch))
        return whole(batch, name)

    monkeypatch.setattr(engine, "_run_piece", noted)
    faces = np.random.default_rng(0).integers(0, 255, (15, 32, 32, 3), np.uint8)
    (alone,) = zip(*(engine.run(faces[i : i + 1]) for i in range(15)), strict=True)
    for count in range(1, 16):
        (together,) = engine.run(faces[:count])
        assert together.shape[0] == count
        assert np.abs(together.astype(int) - np.concatenate(alone)[:count]).max() <= 1
    assert sizes == {1, 2, 4, 8}
    engine.close()


PRESSED = """
import signal, threading
from stream_mer.runtime import openvino
from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.shipped import engines_root

(manifest,) = [m for m in list_manifests(engines_root()) if m.name == "compact-x4"]
older, newer = (openvino.OpenVinoEngine(manifest, threads=1) for _ in range(2))
engines = [openvino.OpenVinoEngine(manifest, threads=1)]
older.close()
del older
del newer
thread = threading.Thread(target=engines.pop)
thread.start()
thread.join()
signal.signal(signal.SIGINT, lambda *_: print("handled"))
signal.raise_signal(signal.SIGINT)
"""


def test_ctrl_c_after_engines_closed_in_any_order_and_thread_does_not_crash() -> None:
    """It did, a segmentation fault: each engine's core left the thread a freed stack for its signals."""
    ran = subprocess.run([sys.executable, "-c", PRESSED], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "handled\n"), ran.stderr
