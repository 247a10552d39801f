"""What running engines leaves behind: no memory, no files in the home folder, no calls home."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_networks import install, pictures, super_resolver

from stream_mer.runtime.machine import cpu_model, usable_cores
from stream_mer.runtime.open import open_engine

RUNS, LARGEST, ROUNDS = 300, 24, 3
GROWTH_MB = 6.0
"""A leak of one output picture (49 kB) a run would be 15 MB; of one batch far more."""


def anonymous_mb() -> float:
    """Memory of one's own: pages of files come and go with what else the machine does."""
    resident, shared = (int(pages) for pages in Path("/proc/self/statm").read_text().split()[1:3])
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_memory_is_flat_over_many_batch_sizes(tmp_path: Path, backend: str) -> None:
    engine = open_engine(install(tmp_path, "tiny", super_resolver()), backend=backend, threads=1)
    batch = pictures(LARGEST)
    for size in range(1, LARGEST + 1):  # every size once: code and buffers for it are made and stay
        engine.run(batch[:size])
    sizes = np.random.default_rng(0).integers(1, LARGEST + 1, RUNS)

    def grown() -> float:
        gc.collect()
        before = anonymous_mb()
        for size in sizes:
            engine.run(batch[: int(size)])
        gc.collect()
        return anonymous_mb() - before

    # A leak shows every time; what the allocator or a thread of another test takes once does not.
    growths: list[float] = []
    while len(growths) < ROUNDS and not (growths and growths[-1] < GROWTH_MB):
        growths.append(grown())
    engine.close()
    assert min(growths) < GROWTH_MB, growths


PROBE = """
import socket, sys, time
def refuse(*arguments, **_):
    print("CALLED HOME", arguments)
    raise OSError("no network in this test")
socket.getaddrinfo = refuse
socket.socket.connect = refuse
from pathlib import Path
from stream_mer.runtime.manifest import load_manifest
from stream_mer.runtime.open import open_engine
import numpy as np
for backend in ("openvino", "onnxruntime"):
    engine = open_engine(load_manifest(Path(sys.argv[1])), backend=backend, threads=1)
    engine.run(np.zeros((2, 32, 32, 3), np.uint8))
    engine.close()
time.sleep(0.3)
assert "torch" not in sys.modules and "mediapipe" not in sys.modules
print("done")
"""


def test_backends_neither_call_home_nor_write_into_it(tmp_path: Path) -> None:
    from stream_mer.runtime.manifest import write_manifest

    write_manifest(tmp_path / "tiny", install(tmp_path, "tiny", super_resolver()))
    home = tmp_path / "home"
    home.mkdir()
    # CI, which both libraries take as a reason to keep quiet, must not be what makes this pass.
    silencers = {"CI", "TF_BUILD", "JENKINS_URL", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    environment = {key: value for key, value in os.environ.items() if key not in silencers}
    environment |= {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path / "tiny")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "done", done.stdout + done.stderr
    assert [str(path.relative_to(home)) for path in home.rglob("*")] == []


def test_cores_respect_a_quota(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("150000 100000\n")
    assert usable_cores(quota) == min(2, usable_cores(tmp_path / "absent"))
    quota.write_text("10000 100000\n")
    assert usable_cores(quota) == 1
    quota.write_text("max 100000\n")
    assert usable_cores(quota) == usable_cores(tmp_path / "absent") >= 1


def test_the_processor_has_a_name(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor: 0\nmodel name : Fast 9\ncpu family: 26\nmodel : 2\n\nmodel name: Fast 9\n")
    assert cpu_model(info) == "Fast 9 26 2"
    assert cpu_model(tmp_path / "absent")
