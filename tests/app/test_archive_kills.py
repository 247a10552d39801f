"""Exactly once: whatever instant a run is killed at, going on gives byte for byte what no kill would have."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from cheap_archive import film, outputs, run_and_die, run_cheaply

from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks.event_log import read_events
from stream_mer.sinks.manifest import MANIFEST, Manifest

KILLS = 200


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    return [film(folder / "one.mp4", 5, 10), film(folder / "two.mp4", 3, 90)]


@pytest.fixture(scope="module")
def untouched(films: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("untouched")
    run_cheaply(out, films)
    wanted = outputs(out)
    events = [read_events(out / name / "events.jsonl") for name in ("one", "two")]
    assert [len(some) > 5 for some in events] == [True, True]
    assert len({event.id for some in events for event in some}) == sum(map(len, events))
    return wanted


@pytest.fixture(scope="module")
def context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["stream_mer.app.archive", "stream_mer.sinks.video"])
    return context


def test_two_hundred_kills_lose_and_double_nothing(
    films: list[Path],
    untouched: dict[str, bytes],
    context: multiprocessing.context.ForkServerContext,
    tmp_path: Path,
) -> None:
    """Half of the kills strike before a random step of the protocol, half at a random instant."""
    rng = random.Random(20261122)
    kills = rounds = 0
    while kills < KILLS:
        out = tmp_path / str(rounds)
        out.mkdir()
        finished = False
        while not finished:
            by_step = rng.random() < 0.5
            step = rng.randint(1, 80) if by_step else 0
            child = context.Process(target=run_and_die, args=(out, films, step))
            child.start()
            if not by_step:
                time.sleep(rng.uniform(0.0, 0.25))
                if child.pid is not None and child.is_alive():
                    with suppress(ProcessLookupError):  # it may end at this very moment
                        os.kill(child.pid, signal.SIGKILL)
            child.join(60)
            assert child.exitcode in (0, -signal.SIGKILL)
            finished = child.exitcode == 0
            kills += not finished
            if kills + rounds * 3 > KILLS + 60:  # enough; let this one end in peace
                run_cheaply(out, films)
                finished = True
        assert outputs(out) == untouched, f"round {rounds}, after {kills} kills"
        rounds += 1
    assert rounds >= 3


def test_a_kill_before_every_single_step(
    films: list[Path],
    untouched: dict[str, bytes],
    context: multiprocessing.context.ForkServerContext,
    tmp_path: Path,
) -> None:
    """One kill per run, before step 1, 4, 7, ... until a run has no so many steps."""
    step, code = 1, -signal.SIGKILL
    while code:
        out = tmp_path / str(step)
        out.mkdir()
        child = context.Process(target=run_and_die, args=(out, films[1:], step))
        child.start()
        child.join(60)
        code = child.exitcode or 0
        run_cheaply(out, films[1:])
        assert outputs(out) == {k: v for k, v in untouched.items() if k.startswith("two/")}, step
        step += 3
    assert step > 40


def test_a_full_manifest_is_an_output_error_and_can_be_resumed(
    films: list[Path], untouched: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Manifest, *args: object) -> None:
        with self._change() as db:
            db.execute("PRAGMA max_page_count = 1")
            db.execute("CREATE TABLE filler AS SELECT randomblob(100000) AS x")

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "commit", full)
        with pytest.raises(OutputError, match="No space left"):
            run_cheaply(tmp_path, films)
    run_cheaply(tmp_path, films)
    assert outputs(tmp_path) == untouched


def test_a_changed_file_is_noticed(films: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(films[0].read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    assert [s.state for s in run_cheaply(out, [copy])] == ["ok"]
    assert [s.state for s in run_cheaply(out, [copy])] == ["done before"]
    before = (out / "copy" / "events.jsonl").read_bytes()
    copy.write_bytes(films[1].read_bytes())
    (status,) = run_cheaply(out, [copy])
    assert status.state == "failed"
    assert "has changed since" in str(status.failure)
    assert (out / "copy" / "events.jsonl").read_bytes() == before


def test_a_copy_of_a_file_is_not_judged_twice(films: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(films[0].read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    run_cheaply(out, films[:1])
    manifest = Manifest(out / MANIFEST)
    (entry,) = manifest.files()
    assert manifest.finished(entry.sha256, "key") == set(range(entry.segments))
    manifest.close()
    run_cheaply(out, [copy])
    assert [e.onset_ns for e in read_events(out / "copy" / "events.jsonl")] == [
        e.onset_ns for e in read_events(out / "one" / "events.jsonl")
    ]


def test_two_runs_into_one_folder_are_refused(tmp_path: Path) -> None:
    first = Manifest(tmp_path / MANIFEST)
    with pytest.raises(ConfigError, match="another run is writing"):
        Manifest(tmp_path / MANIFEST)
    first.close()
    Manifest(tmp_path / MANIFEST).close()


def test_a_manifest_of_another_layout_is_refused(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / MANIFEST)
    manifest.tell({"layout": "99"})
    manifest.close()
    with pytest.raises(ConfigError, match="layout 99"):
        Manifest(tmp_path / MANIFEST)


def test_a_damaged_manifest_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(bytes(range(1, 255)) * 20)
    with pytest.raises(OutputError, match="is damaged: file is not a database"):
        Manifest(tmp_path / MANIFEST)
