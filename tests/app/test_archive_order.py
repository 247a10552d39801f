"""Several workers end together, and neither their number nor that of the threads changes what is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cheap_archive import film, invented, outputs, run_cheaply
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.app import networks as networks_module
from stream_mer.app import recorded
from stream_mer.app.archive import Archive, longest_first
from stream_mer.app.how import How
from stream_mer.app.inputs import Input
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.pieces import Piece
from stream_mer.config import Settings
from stream_mer.pipeline.workers import NextJob, Outcome, ReportOf
from stream_mer.runtime import machine
from stream_mer.runtime.machine import engine_threads


@given(st.lists(st.integers(0, 10**6), max_size=30))
def test_nothing_long_is_begun_after_something_shorter(lengths: list[int]) -> None:
    inputs = [Input(Path(f"{n}.mp4"), Path(f"{n}.mp4")) for n in range(len(lengths))]
    frames = {one.path: length for one, length in zip(inputs, lengths, strict=True)}
    ordered = [frames[one.path] for one in longest_first(inputs, frames)]
    unknown = lengths.count(0)
    assert ordered[:unknown] == [0] * unknown
    assert ordered[unknown:] == sorted(filter(None, lengths), reverse=True)


def test_any_order_of_files_and_of_answers_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = [film(tmp_path / f"{n}.mp4", seconds, 30 * n) for n, seconds in enumerate((1, 4, 2))]
    for name in ("plain", "shuffled"):
        (tmp_path / name).mkdir()
    run_cheaply(tmp_path / "plain", films)
    handed: list[str] = []

    def late(next_job: NextJob[Piece], report: ReportOf[Piece]) -> Iterator[Outcome[Piece]]:
        """Three workers, of which the one that began last always answers first."""
        jobs: list[Piece] = []
        while True:
            while len(jobs) < 3 and (job := next_job()) is not None:
                handed.append(job.name)
                jobs.append(job)
            if not jobs:
                return
            job = jobs.pop()
            yield Outcome(job, invented(job, lambda _: None))

    run = Archive.run
    monkeypatch.setattr(Archive, "run", lambda self, inputs, _: run(self, inputs, late))
    run_cheaply(tmp_path / "shuffled", [films[1], films[2], films[0]])
    assert handed == ["1"] * 4 + ["2"] * 2 + ["0"]
    assert outputs(tmp_path / "shuffled") == outputs(tmp_path / "plain")


def begun(monkeypatch: pytest.MonkeyPatch, folder: Path, how: How) -> list[str]:
    """The order in which `process` begins the inputs of a folder."""
    names: list[str] = []

    def note(self: Archive, inputs: list[Input], spread: Any) -> list[Any]:
        names.extend(one.path.stem for one in inputs)
        return []

    monkeypatch.setattr(Archive, "run", note)
    monkeypatch.setattr(recorded.DetectorFactory, "fetch", lambda self: None)
    settings = Settings(engine="bicubic", sr="never", overlay=False)
    recorded.process_many([str(folder)], folder / "out", settings, how)
    return names


def test_only_several_workers_begin_with_the_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("a", 1), ("b", 3), ("c", 2)):
        film(tmp_path / f"{name}.mp4", seconds, 20)
    assert begun(monkeypatch, tmp_path, How()) == ["a", "b", "c"]
    assert begun(monkeypatch, tmp_path, How(workers=2)) == ["b", "c", "a"]
    pytest.importorskip("ray", reason="Ray is not installed (extra 'cluster')")
    assert begun(monkeypatch, tmp_path, How(ray="local")) == ["b", "c", "a"]


@given(st.integers(1, 300), st.integers(1, 300))
def test_a_core_of_every_share_is_left_to_the_other_stages(workers: int, cores: int) -> None:
    threads = engine_threads(workers, cores)
    assert 1 <= threads <= 4
    assert threads == 1 or workers * (threads + 1) <= cores
    assert engine_threads(workers, cores + workers) >= threads >= engine_threads(workers + 1, cores)


def test_threads_are_the_users_or_a_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 8)
    free, said = Settings(), Settings(threads=7)
    some = [How(), How(workers=2), How(workers=8), How(ray="local"), How(ray="local", workers=2)]
    assert [how.threads(free) for how in some] == [4, 3, 1, 1, 1]
    assert [how.threads(said) for how in some] == [7] * 5


def opened_with(monkeypatch: pytest.MonkeyPatch, networks: Networks) -> list[int | None]:
    seen: list[int | None] = []
    with monkeypatch.context() as patch:
        patch.setattr(networks_module, "open_engine", lambda *_, threads, **__: seen.append(threads))
        networks.open_super_resolver()
        networks.open_classifier()
    return seen


def test_networks_are_chosen_whatever_the_number_of_workers_and_opened_with_their_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[int | None] = []
    choose = networks_module.choose

    def noting(*args: Any, threads: int | None, **named: Any) -> Any:
        measured.append(threads)
        return choose(*args, threads=threads, **named)

    monkeypatch.setattr(networks_module, "choose", noting)
    settings = Settings(engine="bicubic")
    assert opened_with(monkeypatch, pick_networks(settings, threads=3)) == [3, 3]
    assert opened_with(monkeypatch, pick_networks(settings)) == [None, None]
    assert opened_with(monkeypatch, pick_networks(Settings(engine="bicubic", threads=5))) == [5, 5]
    assert measured == [None, None, 5]
