"""A service on a GPU: every step of its ladder opens, and leaving the GPU is counted in /metrics."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_gpu import CudaLaunchError, World, fake_cuda, fake_gpu, page_of
from tiny_networks import pictures

from stream_mer.app import gpu as gpu_runs
from stream_mer.app.dashboard import dashboard
from stream_mer.app.relief import SharedNetworks
from stream_mer.config import Settings
from stream_mer.runtime.manifest import read_network
from stream_mer.runtime.plan_cache import PlanManifest
from stream_mer.runtime.plans import PlanWish
from stream_mer.runtime.trt import TrtEngine
from stream_mer.runtime.trt_library import Library

pytest.importorskip("prometheus_client", reason="the extra 'web' is not installed")
pytest_plugins = ("plan_fixtures",)


@pytest.fixture
def worlds(rtx: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, World]]:
    """A fake GPU that has every plan; one world per network that was opened on it."""
    found: dict[str, World] = {}

    def page(wish: PlanWish, *_: object, **__: object) -> PlanManifest:
        made = page_of(World(wish.manifest, b""))
        return replace(made, precision=wish.request.precision)

    def opened(wish: PlanWish, _: object) -> TrtEngine:
        world = World(wish.manifest, read_network(wish.manifest), batches=(1, 4))
        found[wish.manifest.name] = world
        return TrtEngine(wish.manifest, world.network, page_of(world), fake_gpu(world))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, stand_in in {
        "load_library": lambda _: rtx, "load_cuda": lambda: fake_cuda(SimpleNamespace(
            did=lambda _: None, devices=1, capability=(8, 9))), "ensure_plan": page, "open_plan": opened,
    }.items():  # fmt: skip
        monkeypatch.setattr(gpu_runs, name, stand_in)
    return found


@pytest.fixture
def networks(worlds: dict[str, World]) -> Iterator[SharedNetworks]:
    shared = SharedNetworks(
        Settings(device="cuda", backend="tensorrt-rtx", engine="rrdb-light-x4", threads=1)
    )
    yield shared
    shared.close()


def fallbacks(networks: SharedNetworks) -> str:
    """The line of /metrics, over HTTP."""
    fleet = SimpleNamespace(
        cameras=[], couriers={}, states={}, networks=networks, overload=lambda: {}, review=lambda *_: None,
        relief=SimpleNamespace(ladder=SimpleNamespace(level=0, name="")),
    )  # fmt: skip
    with (
        dashboard("127.0.0.1:0", None, fleet) as url,  # type: ignore[arg-type]
        urllib.request.urlopen(f"{url.rstrip('/')}/metrics", timeout=60) as answer,
    ):
        lines = answer.read().decode().splitlines()
    return next(line for line in lines if line.startswith("stream_mer_gpu_fallbacks_total"))


def test_every_step_of_the_ladder_opens_on_a_gpu(networks: SharedNetworks, worlds: dict[str, World]) -> None:
    """Its last step is bicubic, which is no network: a service on a GPU could not even start."""
    backends = []
    for level in range(len(networks.levels) - 2):
        networks.super_resolver.choose(level)
        backends.append(networks.super_resolver.engine.backend)
    assert backends == ["tensorrt:cuda:f32", "tensorrt:cuda:f32", "opencv:cpu:u8"]
    assert set(worlds) == {"rrdb-light-x4", "compact-x4", networks.networks.classifier.name}
    assert networks.classifier.engine.backend == "tensorrt:cuda:f32"


def test_a_step_that_leaves_the_gpu_is_counted_where_prometheus_reads(
    networks: SharedNetworks, worlds: dict[str, World]
) -> None:
    networks.super_resolver.choose(1)
    client = networks.super_resolver.client()
    client.run(pictures(1))
    assert fallbacks(networks) == "stream_mer_gpu_fallbacks_total 0.0"
    worlds["compact-x4"].fail["synchronize"] = CudaLaunchError("unspecified launch failure")
    (sr,) = client.run(pictures(2))
    assert sr.dtype == np.uint8
    assert networks.super_resolver.engine.backend == "openvino:cpu:f32"
    assert fallbacks(networks) == "stream_mer_gpu_fallbacks_total 1.0"
    (told,) = networks.networks.changes()
    assert "unspecified launch failure" in told
