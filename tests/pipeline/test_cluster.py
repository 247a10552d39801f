"""Jobs on a Ray cluster that is smaller than asked for, breaks, or meets defects: none hangs, none is lost.

Ray itself is scripted here; `tests/app/test_archive_runs.py` runs the product on a real one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from stream_mer.errors import ConfigError, StageError
from stream_mer.pipeline.workers import ATTEMPTS, Outcome

pytest.importorskip("ray", reason="Ray is not installed (extra 'cluster')")
cluster = pytest.importorskip("stream_mer.pipeline.cluster")
exceptions = pytest.importorskip("ray.exceptions")


class Death(BaseException):
    """Raised inside an actor: its process is gone."""


@dataclass(eq=False)
class Call:
    """What Ray calls an object reference: something an actor was asked to do."""

    actor: ScriptedActor
    run: Callable[[], Any]


class ScriptedActor:
    def __init__(self, ray: ScriptedRay, real: Any) -> None:
        self.ray, self.alive = ray, True
        self.placed: bool = ray.places > sum(actor.placed and actor.alive for actor in ray.actors)
        self.ready = SimpleNamespace(remote=lambda: Call(self, ray.start))
        self.do = SimpleNamespace(remote=lambda work, job: Call(self, lambda: real.do(work, job)))


@dataclass(eq=False)
class ScriptedRay:
    """As much of Ray as is used: ``places`` actors have room, the others wait for ever."""

    places: int
    start: Callable[[], None] = lambda: None
    actors: list[ScriptedActor] = field(default_factory=list)
    needs: dict[str, float] = field(default_factory=dict)

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.places, "GPU": 3.0}

    def remote(self, **needs: float) -> Callable[[type], Any]:
        self.needs = needs
        return lambda real: SimpleNamespace(remote=lambda: self._hire(real()))

    def put(self, value: Any) -> Any:
        return value

    def wait(self, calls: list[Call], num_returns: int) -> tuple[list[Call], list[Call]]:
        ready = [call for call in calls if call.actor.placed]
        assert ready, "nothing would ever happen again"
        return ready[:num_returns], []

    def get(self, call: Call) -> Any:
        try:
            return call.run()
        except Death:
            call.actor.alive = False
            raise exceptions.RayActorError from None
        except ValueError as error:
            raise exceptions.RayTaskError("do", "...", error, "worker", 1, "::1") from None

    def _hire(self, real: Any) -> ScriptedActor:
        self.actors.append(ScriptedActor(self, real))
        return self.actors[-1]


def run(monkeypatch: pytest.MonkeyPatch, ray: ScriptedRay, jobs: list[Any], workers: int) -> dict[Any, Any]:
    """Job -> outcome."""
    deaths: list[Any] = []

    def work(job: Any, report: Callable[[int], None]) -> str:
        report(20)
        report(5)
        if str(job).startswith("kills") and deaths.count(job) < int(job[-1]):
            deaths.append(job)
            raise Death
        if job == "defect":
            raise ValueError("unexpected")
        return f"did {job}"

    left, frames = iter(jobs), Counter[Any]()
    monkeypatch.setattr(cluster, "ray", ray)
    done: list[Outcome[Any]] = list(
        cluster.on_cluster(
            work, lambda: next(left, None), lambda job, n: frames.update({job: n}), "auto", workers
        )
    )
    assert len(done) == len(jobs)
    assert frames == {outcome.job: 25 for outcome in done if outcome.failure is None}
    return {outcome.job: outcome for outcome in done}


@pytest.mark.parametrize(("places", "workers"), [(2, 5), (1, 16), (3, 3), (4, 2)])
def test_more_workers_than_the_cluster_has_room_for_do_not_hang(
    monkeypatch: pytest.MonkeyPatch, places: int, workers: int
) -> None:
    ray = ScriptedRay(places)
    done = run(monkeypatch, ray, list(range(20)), workers)
    assert {job: outcome.answer for job, outcome in done.items()} == {n: f"did {n}" for n in range(20)}
    assert sum(actor.placed for actor in ray.actors) <= min(places, workers)


def test_a_defect_in_one_job_costs_that_job_only(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, ScriptedRay(2), [1, "defect", 2], 2)
    assert (done[1].answer, done[2].answer) == ("did 1", "did 2")
    assert isinstance(done["defect"].failure, StageError)
    assert "ValueError: unexpected" in str(done["defect"].failure)


def test_the_job_of_an_actor_that_dies_is_done_again_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = run(monkeypatch, ScriptedRay(2), ["kills 2", 1, "kills 9"], 2)
    assert (done["kills 2"].answer, done[1].answer) == ("did kills 2", "did 1")
    assert f"died {ATTEMPTS} times" in str(done["kills 9"].failure)


def test_a_cluster_on_which_nothing_starts_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        raise Death

    with pytest.raises(StageError, match="no worker starts"):
        run(monkeypatch, ScriptedRay(2, die), [1], 1)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("local", "no Ray cluster starts on this machine: The current node timed out"),
        ("127.0.0.1:1", "at 127.0.0.1:1: The"),
    ],
)
def test_a_cluster_that_does_not_start_in_time_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, address: str, says: str
) -> None:
    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen because …")

    ray = ScriptedRay(1)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init, raising=False)
    monkeypatch.setattr(cluster, "ray", ray)
    with pytest.raises(ConfigError, match=says) as caught:
        list(cluster.on_cluster(lambda *_: "", lambda: 1, lambda *_: None, address, 1))
    assert len(str(caught.value).splitlines()) == 2


def test_an_address_where_nobody_is_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = ScriptedRay(1)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray would ask for minutes"), raising=False)
    monkeypatch.setattr(cluster, "ray", ray)
    with pytest.raises(ConfigError, match=r"no Ray cluster at 127\.0\.0\.2:1: .*refused"):
        list(cluster.on_cluster(lambda *_: "", lambda: 1, lambda *_: None, "127.0.0.2:1", 1))


@pytest.mark.parametrize(("gpus", "actors"), [(1, 3), (3, 4), (2, 5), (4, 2), (8, 8)])
def test_every_actor_finds_a_gpu(monkeypatch: pytest.MonkeyPatch, gpus: int, actors: int) -> None:
    ray = ScriptedRay(actors)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": float(actors), "GPU": float(gpus)})
    run(monkeypatch, ray, [1], actors)
    a_gpu_holds = int(1 / ray.needs["num_gpus"] + 1e-9)
    assert a_gpu_holds * gpus >= actors
