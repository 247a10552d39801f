"""Shared fixtures. Data and hardware that are absent skip with their reason.

``STREAM_MER_REQUIRE=data,assets,gpu`` turns such a skip into a failure, so that a machine that has
the thing cannot quietly not test it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

# Timing belongs to benchmarks: a busy machine must not fail a property test.
settings.register_profile(
    "no-deadline", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no-deadline")

REQUIRED = frozenset(filter(None, os.environ.get("STREAM_MER_REQUIRE", "").split(",")))
ROOT = Path(__file__).resolve().parents[1]


def skip_or_fail(kind: str, reason: str) -> NoReturn:
    """Skip, or fail where ``STREAM_MER_REQUIRE`` names ``kind``."""
    if kind in REQUIRED:
        pytest.fail(f"STREAM_MER_REQUIRE={kind}, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with ``faces/`` and ``videos/`` (see README, 'Test data')."""
    path = Path(os.environ.get("STREAM_MER_DATA", ROOT.parent / "shared" / "data"))
    if not (path / "faces" / "index.csv").is_file():
        skip_or_fail("data", f"no open test data at {path}")
    return path


@pytest.fixture(scope="session")
def videos(data_dir: Path) -> Path:
    """Folder with the open test videos."""
    return data_dir / "videos"


@pytest.fixture(scope="session")
def faces(data_dir: Path) -> Path:
    """Folder with ``index.csv`` and the portraits."""
    return data_dir / "faces"


@pytest.fixture(scope="session")
def assets_dir() -> Path:
    """Folder with the three MediaPipe model files, fetched and cached by the product itself."""
    from stream_mer.errors import AssetError
    from stream_mer.runtime.assets import ASSETS, AssetStore

    store = AssetStore()
    try:
        paths = [store.path(name) for name in ASSETS]
        return paths[0].parent
    except AssetError as error:
        skip_or_fail("assets", f"model files cannot be had: {error}")
