"""What tests of plans share: the library that builds without a GPU, a tiny engine, an empty cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_networks import install, super_resolver

from stream_mer.runtime.plan_cache import PlanCache
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.trt_library import Library, load_library


@pytest.fixture(scope="session")
def rtx() -> Library:
    """TensorRT-RTX; there is one per process."""
    return load_library("tensorrt-rtx")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """A tiny super-resolver in a folder of its own."""
    return install(tmp_path / "engines", "tiny", super_resolver())


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    """An empty cache of plans."""
    return PlanCache(tmp_path / "plans")
