"""What one super-resolution training run is: a TOML file, read strictly and saved next to the weights."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from math import cos, isfinite, pi
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from stream_mer.core.degradation import Mixture
from stream_mer.errors import ConfigError
from stream_mer.training.adversary import GanSettings
from stream_mer.training.compact import CompactSettings
from stream_mer.training.consistency import ConsistencySettings
from stream_mer.training.rrdb import RRDBSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")

_WORDS = {bool: "true or false", int: "an integer", float: "a finite number", str: "text"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast: a warm-up, a plateau, then half a cosine down to ``final_rate``.

    A plateau, not one long cosine, so that a run can be shortened or extended without having been
    wrong from the start.
    """

    steps: int = 8000
    warm_up: int = 100
    decay: int = 3000
    """Last steps, over which the learning rate falls."""
    rate: float = 1e-3
    final_rate: float = 1e-5
    squared_from: float = 1.0
    """Share of the steps after which the loss is the squared error, which is what PSNR measures."""

    def __post_init__(self) -> None:
        if not (self.warm_up >= 0 and self.decay >= 0 and self.warm_up + self.decay <= self.steps):
            raise ConfigError(
                f"schedule: warm_up {self.warm_up} + decay {self.decay} must fit into steps {self.steps}"
            )
        if self.rate <= 0 or self.final_rate < 0 or self.squared_from < 0:
            raise ConfigError("schedule: rate must be > 0, final_rate and squared_from >= 0")

    def ending_at(self, steps: int) -> Schedule:
        """The same schedule with other steps; warm-up and decay shrink in proportion if they do not fit."""
        share = min(1.0, steps / max(1, self.warm_up + self.decay))
        warm_up, decay = int(self.warm_up * share), int(self.decay * share)
        return replace(self, steps=steps, warm_up=warm_up, decay=decay)

    def rate_at(self, step: int) -> float:
        """Learning rate of ``step`` (the first is 0)."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        left = self.steps - step
        if left >= self.decay:
            return self.rate
        return self.final_rate + (self.rate - self.final_rate) * (1 - cos(pi * left / self.decay)) / 2

    def squared_at(self, step: int) -> bool:
        """Whether ``step`` uses the squared error."""
        return step >= self.squared_from * self.steps


@dataclass(frozen=True, slots=True)
class SRRun:
    """One training run."""

    name: str
    network: RRDBSettings | CompactSettings
    schedule: Schedule = field(default_factory=Schedule)
    mixture: Mixture = field(default_factory=Mixture)
    sources: Mapping[str, float] = field(
        default_factory=lambda: {"london": 0.3, "canada": 0.05, "congress": 0.35, "sfhq": 0.3}
    )
    """Share of the pictures drawn from each source."""
    batch: int = 8
    seed: int = 0
    ema: float = 0.999
    clip: float = 0.5
    """Largest norm of the gradient."""
    bf16: bool = True
    gan: GanSettings | None = None
    """The adversarial stage; None is the PSNR stage."""
    consistency: ConsistencySettings | None = None
    """Train on pairs of moved and noisy views; None is single pictures."""
    distil: float = 0.0
    """Weight of the distance to a teacher's output (compact networks); the rest is to the HR picture."""
    check_every: int = 250

    def __post_init__(self) -> None:
        if not 0 <= self.distil <= 1 or not 0 <= self.ema < 1 or self.batch < 1:
            raise ConfigError(f"run {self.name}: distil in 0..1, ema in 0..1 and batch >= 1 are needed")
        if self.clip <= 0 or self.seed < 0 or self.check_every < 1:
            raise ConfigError(f"run {self.name}: clip > 0, seed >= 0 and check_every >= 1 are needed")
        if min(self.sources.values(), default=0.0) < 0 or sum(self.sources.values()) <= 0:
            raise ConfigError(f"run {self.name}: shares of sources must be >= 0, and one of them > 0")
        if self.consistency is not None and self.batch % 2:
            raise ConfigError(f"run {self.name}: consistency needs pairs, so an even batch, not {self.batch}")


def load_run(path: Path) -> SRRun:
    """Read a run from TOML.

    Raises:
        ConfigError: the file is missing, not TOML, or holds an unknown key or kind of network, or a value
            of the wrong type or out of range.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no training run at {path}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    return run_from_table(table, str(path))


def run_from_table(table: Mapping[str, Any], where: str) -> SRRun:
    """A run from a parsed table; ``where`` names it in messages."""
    values = dict(table)
    for name in ("network", "schedule", "mixture", "gan", "consistency", "sources"):
        if not isinstance(values.get(name, {}), Mapping):
            raise ConfigError(f"{where}: {name} must be a table, is {values[name]!r}")
    network = dict(values.pop("network", {}))
    kind = network.pop("kind", None)
    kinds: dict[str, type[RRDBSettings | CompactSettings]] = {
        "rrdb": RRDBSettings,
        "compact": CompactSettings,
    }
    if kind not in kinds:
        raise ConfigError(f"{where}: network.kind is {kind!r}\nIt must be one of {', '.join(kinds)}.")
    values["network"] = _strict(kinds[kind], network, f"{where}: network")
    values["schedule"] = _strict(Schedule, values.get("schedule", {}), f"{where}: schedule")
    values["mixture"] = _strict(Mixture, values.get("mixture", {}), f"{where}: mixture")
    if "gan" in values:
        values["gan"] = _strict(GanSettings, values["gan"], f"{where}: gan")
    if "consistency" in values:
        settings = _strict(ConsistencySettings, values["consistency"], f"{where}: consistency")
        values["consistency"] = settings
    for name, share in values.get("sources", {}).items():
        _check_kind(float, share, f"{where}: sources.{name}")
    return _strict(SRRun, values, where)


def table_of(run: SRRun) -> dict[str, Any]:
    """The inverse of ``run_from_table``."""
    table = asdict(run)
    kind = "rrdb" if isinstance(run.network, RRDBSettings) else "compact"
    table["network"] = {"kind": kind} | {k: v for k, v in table["network"].items() if v is not None}
    table["sources"] = dict(run.sources)
    return {k: v for k, v in table.items() if v is not None}


def save_run(run: SRRun, path: Path) -> None:
    """Write ``run`` as TOML that ``load_run`` reads back equal."""
    table = table_of(run)
    plain = {k: v for k, v in table.items() if not isinstance(v, dict)}
    lines = [f"{k} = {_toml(v)}" for k, v in plain.items()]
    for name, inner in table.items():
        if isinstance(inner, dict):
            lines += ["", f"[{name}]", *(f"{_key(k)} = {_toml(v)}" for k, v in inner.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _toml(name)


def _strict(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    optional = {n for n, f in known.items() if f.default is not MISSING or f.default_factory is not MISSING}
    needed = sorted(set(known) - optional - set(values))
    if unknown or needed:
        raise ConfigError(f"{where}: unknown {unknown}, missing {needed}\nKnown keys: {', '.join(known)}.")
    hints = get_type_hints(kind)
    for name, value in values.items():
        _check_kind(hints[name], value, f"{where}: {name}")
    try:
        return kind(**values)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check_kind(hint: Any, value: object, where: str) -> None:
    """Refuse a plain value of another type than ``hint``; an integer passes for a float, true for neither."""
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    wanted = {kind: word for kind, word in _WORDS.items() if kind in kinds}
    fits = type(value) in wanted or (type(value) is int and float in wanted)
    if wanted and (not fits or (isinstance(value, float) and not isfinite(value))):
        raise ConfigError(f"{where} must be {' or '.join(wanted.values())}, is {value!r}")
