"""A run's file: its schedule, its way to disk and back, and what is refused before anything is cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.degradation import Mixture
from stream_mer.errors import ConfigError
from stream_mer.training import sr_config
from stream_mer.training.compact import CompactSettings
from stream_mer.training.rrdb import RRDBSettings
from stream_mer.training.sr_config import Schedule, SRRun


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.floats(1e-5, 1e-2))
def test_rate_rises_holds_and_falls(warm_up: int, hold: int, decay: int, rate: float) -> None:
    s = Schedule(warm_up + hold + decay + 1, warm_up, decay, rate, rate / 100)
    rates = [s.rate_at(k) for k in range(s.steps)]
    assert all(0 < r <= rate * (1 + 1e-12) for r in rates)
    assert all(b >= a * (1 - 1e-9) for a, b in pairwise(rates[: warm_up + 1]))
    assert rates[warm_up : warm_up + hold + 1] == [pytest.approx(rate)] * (hold + 1)
    falling = rates[warm_up + hold :]
    assert all(b <= a for a, b in pairwise(falling))


@pytest.mark.parametrize(
    "network", [CompactSettings(16, 3), RRDBSettings(32, 4, 16), RRDBSettings(8, 1, 4, 4, True)]
)
def test_runs_survive_the_file(network: CompactSettings | RRDBSettings, tmp_path: Path) -> None:
    run = SRRun(
        "a-name", network, Schedule(50, 5, 20), Mixture(0.25, 0.25, 0.5, 0.0), {"london": 1.0}, seed=7
    )
    sr_config.save_run(run, tmp_path / "run.toml")
    assert sr_config.load_run(tmp_path / "run.toml") == run


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = 1\n", "network.kind"),
        ('name = "a"\nstep = 3\n[network]\nkind = "rrdb"', "unknown .*step"),
        ('[network]\nkind = "compact"', "missing .*name"),
        ('name = "a"\n[network]\nkind = "compact"\nwidth = 4', "unknown .*width"),
        ('name = "a"\n[network]\nkind = "compact"\n[schedule]\nsteps = 10', "must fit into steps 10"),
        ('name = "a"\n[network]\nkind = "compact"\n[mixture]\ngaussian = 2.0', "sum to 1"),
        ("name = ", "not TOML"),
    ],
)
def test_wrong_run_files_are_explained(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        sr_config.load_run(tmp_path / "run.toml")
    with pytest.raises(ConfigError, match="no training run"):
        sr_config.load_run(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("place", "line", "complaint"),
    [
        ("network", "features = 0", "features must be >= 1"),
        ("network", "features = 4.5", "features must be an integer"),
        ("network", 'blocks = "x"', "blocks must be an integer"),
        ("network", "blocks = -1", "blocks >= 0"),
        ("", "check_every = 0", "check_every >= 1"),
        ("", "seed = -1", "seed >= 0"),
        ("", "clip = -1.0", "clip > 0"),
        ("", "batch = 2.5", "batch must be an integer"),
        ("", "batch = true", "batch must be an integer"),
        ("", 'bf16 = "false"', "bf16 must be true or false"),
        ("", "gan = 3", "gan must be a table"),
        ("", "sources = 3", "sources must be a table"),
        ("schedule", "rate = -1.0", "rate must be > 0"),
        ("schedule", "rate = nan", "rate must be a finite number"),
        ("schedule", "steps = 4000.5", "steps must be an integer"),
        ("sources", "london = -1.0", "sources must be >= 0"),
        ("sources", 'london = "much"', "sources.london must be a finite number"),
        ("mixture", "gaussian = nan", "gaussian must be a finite number"),
        ("consistency", 'weight = "x"', "weight must be a finite number"),
        ("gan", "adversarial = inf", "adversarial must be a finite number"),
    ],
)
def test_wrong_values_are_explained_before_anything_is_cut(
    place: str, line: str, complaint: str, tmp_path: Path
) -> None:
    tables = {"network": 'kind = "compact"', **({place: line} if place else {})}
    if place == "network":
        tables["network"] = f'kind = "compact"\n{line}'
    text = "\n".join(["name = 'a'", "" if place else line, *(f"[{t}]\n{v}" for t, v in tables.items())])
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        sr_config.load_run(tmp_path / "run.toml")


def test_rrdb_sizes_are_checked() -> None:
    for wrong in ({"features": 0}, {"blocks": 0}, {"growth": 0}, {"tail": 0}):
        with pytest.raises(ConfigError, match="must be >= 1"):
            RRDBSettings(**wrong)  # type: ignore[arg-type]


def test_run_files_that_cannot_be_read_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        sr_config.load_run(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"\n')
    with pytest.raises(ConfigError, match="not TOML"):
        sr_config.load_run(tmp_path / "latin.toml")


def test_odd_names_survive_the_file(tmp_path: Path) -> None:
    run = SRRun('my "best" \\ run é', CompactSettings(8, 1), sources={"my faces": 0.5, "london": 0.5})
    sr_config.save_run(run, tmp_path / "run.toml")
    assert sr_config.load_run(tmp_path / "run.toml") == run
