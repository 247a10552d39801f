"""Networks whose speed and numbers a test dictates, on a clock that only they move."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tiny_networks import ORIGIN, SR_INPUT, SR_OUTPUT

from stream_mer.errors import EngineError
from stream_mer.runtime.measurements import MeasurementStore
from stream_mer.runtime.open import Way
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.select import Choice, choose

F32, ORT, BF16 = ("openvino", "f32"), ("onnxruntime", "f32"), ("openvino", "bf16")


@dataclass
class World:
    """Networks of given speed on one clock: ``ms[name][way]``, a number or a way to fail."""

    ms: dict[str, dict[tuple[str, str], float | str]]
    shift: dict[tuple[str, str], int] = field(default_factory=dict)
    now: int = 0
    runs: int = 0
    opened: list[str] = field(default_factory=list)
    closed: int = 0
    versions: dict[str, str] = field(default_factory=dict)

    def now_ns(self) -> int:
        return self.now

    def ways(self, manifest: Manifest) -> tuple[Way, ...]:
        def way(kind: tuple[str, str]) -> Way:
            version = self.versions.get(kind[0], "1.0")
            return Way(*kind, version, lambda: FakeEngine(self, manifest.name, kind))

        return tuple(way(kind) for kind in self.ms[manifest.name])


class FakeEngine:
    """Takes the time the world says and gives grey pictures."""

    def __init__(self, world: World, name: str, kind: tuple[str, str]) -> None:
        world.opened.append(name)
        speed = world.ms[name][kind]
        if isinstance(speed, str):
            raise EngineError(speed)
        self._world, self._ms, self._kind = world, speed, kind
        self.name, self.sha256, self.backend = name, "0" * 64, ":".join(kind)

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        self._world.now += round(self._ms * 1e6)
        self._world.runs += 1
        level = 100 + self._world.shift.get(self._kind, 0)
        return (np.full((len(batch), 128, 128, 3), level, dtype=np.uint8),)

    def close(self) -> None:
        self._world.closed += 1


def network(name: str, psnr: float | None, trained: bool = True) -> Manifest:
    return Manifest(
        name=name,
        task="super-resolution",
        version="1",
        inputs=SR_INPUT,
        outputs=(SR_OUTPUT,),
        training=ORIGIN,
        file="model.onnx" if trained else "",
        sha256=(name.encode().hex() * 64)[:64] if trained else "",
        metrics={} if psnr is None else {"psnr_paper": psnr},
        trained=trained,
    )


BIG, MIDDLE, SMALL = network("big", 32.0), network("middle", 31.0), network("small", 30.0)
ALL = (SMALL, BIG, MIDDLE)


def pick(
    world: World, manifests: tuple[Manifest, ...] = ALL, budget_ms: float = 10, **wishes: object
) -> Choice:
    wishes.setdefault("store", MeasurementStore(None))
    wishes.setdefault("busy", lambda: False)
    return choose(
        manifests,
        world.ways,
        budget_ms=budget_ms,
        now_ns=world.now_ns,
        **wishes,  # type: ignore[arg-type]
    )
