"""Chooses the best network that keeps up on this machine, by measuring, and says why."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

from stream_mer.errors import EngineError
from stream_mer.runtime.machine import cache_dir, cpu_model, is_busy, usable_cores
from stream_mer.runtime.measurements import Measurement, MeasurementStore, measure_ways
from stream_mer.runtime.open import Way, ways_to_run
from stream_mer.runtime.schema import Manifest

MEASURING_NS = 1_500_000_000
"""All timed runs of a choice together, about; loading the networks comes on top."""

GAINS: dict[str, float] = {"f32": 1.0, "bf16": 1.05, "int8": 1.25}
"""A precision must be this many times faster than f32, or the exact numbers are kept: measurements of two
equally fast ways differ by a few per cent from one time to the next, and int8 costs up to .2 dB."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which network runs, how, and why.

    Args:
        manifest: the network.
        backend: library to run it with.
        precision: to run it in.
        ms: median time of a batch of that many faces, milliseconds; None if nothing was measured
            because nothing was left to choose.
        keeps_up: whether that is within the budget; True if nothing was measured.
        reason: one sentence for the user.
        table: everything that was measured, and what was not with the reason.
    """

    manifest: Manifest
    backend: str
    precision: str
    ms: float | None
    keeps_up: bool
    reason: str
    table: tuple[Measurement, ...]


def choose(
    manifests: Sequence[Manifest],
    ways: Callable[[Manifest], tuple[Way, ...]] | None = None,
    *,
    budget_ms: float,
    faces: int = 1,
    name: str | None = None,
    backend: str | None = None,
    precision: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    quality: str = "psnr_paper",
    store: MeasurementStore | None = None,
    refresh: bool = False,
    now_ns: Callable[[], int] = time.perf_counter_ns,
    busy: Callable[[], bool] = is_busy,
) -> Choice:
    """The network with the best measured quality that stays within the budget on this machine.

    Networks are tried from the best down; the first that keeps up is taken, so nothing slower or
    worse is measured in vain. Results are kept per network digest, backend version, processor,
    threads and batch size, so the next start measures nothing; what a busy machine gave counts only
    as long as the machine is busy.

    Args:
        manifests: candidates; untrained ones are passed over.
        ways: how a network can be run; what is installed here if None.
        budget_ms: time one batch of ``faces`` may take, milliseconds.
        faces: batch size to measure at.
        name: take this network, whatever its speed; only backend and precision are measured.
        backend: take this library, or None (or ``auto``) for the fastest.
        precision: take this precision, or None (or ``auto``) for the fastest that agrees with f32.
        device: as in ``open_engine``.
        threads: inference threads; as many as usable cores if None.
        quality: key of ``metrics`` that ranks networks, more is better; one without it ranks last.
        store: earlier measurements; the file in the user's cache folder if None.
        refresh: measure again even if it is known, e.g. because the machine was busy then.
        now_ns: monotonic clock in nanoseconds.
        busy: whether somebody else uses the machine now.

    Returns:
        The choice. If no network keeps up it is the fastest, with ``keeps_up`` False.

    Raises:
        EngineError: no candidate is trained, ``name`` is unknown, a network runs in no way at all
            (its file is damaged, say), or no way gives the reference's numbers.
    """
    candidates = _candidates(manifests, name, quality)
    store = MeasurementStore(cache_dir() / "measurements.json") if store is None else store
    place = f"{cpu_model()}|{device}|threads {threads or usable_cores()}|faces {faces}"

    def wanted(manifest: Manifest) -> tuple[Way, ...]:
        if ways is None:
            return ways_to_run(manifest, backend=backend, precision=precision, device=device, threads=threads)
        return ways(manifest)

    possible = {manifest.name: wanted(manifest) for manifest in candidates}
    count = sum(len(some) for some in possible.values())
    if len(candidates) == 1 and count == 1:
        (way,) = possible[candidates[0].name]
        return _settled(candidates[0], way)

    table: list[Measurement] = []
    disturbed = busy()
    best: dict[str, Measurement] = {}
    for manifest in candidates:
        keys = {
            f"{manifest.sha256}|{way.backend} {way.version}|{way.precision}|{place}": way
            for way in possible[manifest.name]
        }
        known = [store.get(key) for key in keys]
        usable = tuple(
            replace(one, engine=manifest.name)
            for one in known
            if one is not None and (disturbed or not one.busy)
        )
        if refresh or len(usable) < len(keys):
            usable = tuple(
                replace(one, busy=disturbed)
                for one in measure_ways(
                    manifest,
                    tuple(keys.values()),
                    faces=faces,
                    limit_ns=MEASURING_NS // count,
                    budget_ms=budget_ms,
                    now_ns=now_ns,
                )
            )
            store.put(dict(zip(keys, usable, strict=True)))
        table += usable
        fastest = _fastest(usable)
        if fastest is None:
            continue
        best[manifest.name] = fastest
        if fastest.ms is not None and fastest.ms <= budget_ms:
            break
    if not best:
        told = "; ".join(f"{row.engine} {row.backend} {row.precision}: {row.note}" for row in table)
        raise EngineError(f"no network can be used here: {told or 'no backend is installed for them'}")
    choice = _decide(candidates, best, table, budget_ms, faces, quality)
    if any(row.busy for row in table):
        choice = replace(choice, reason=f"{choice.reason} (measured on a busy machine)")
    return choice


def _candidates(manifests: Sequence[Manifest], name: str | None, quality: str) -> list[Manifest]:
    if name is not None:
        manifests = [manifest for manifest in manifests if manifest.name == name]
        if not manifests:
            raise EngineError(f"no engine is called {name!r}; see 'stream-mer engines list'")
    trained = [manifest for manifest in manifests if manifest.trained]
    if not trained:
        commands = "\n".join(f"{one.name}: {one.training.command}" for one in manifests)
        raise EngineError(f"no trained engine to choose from; train one\n{commands}".rstrip())
    return sorted(trained, key=lambda one: (-one.metrics.get(quality, -inf), one.name))


def _fastest(rows: Sequence[Measurement]) -> Measurement | None:
    """The fastest usable way; equal times go to f32, then to the backend's name."""

    def order(row: Measurement) -> tuple[float, bool, str]:
        handicap = GAINS.get(row.precision, 1.0)
        return (inf if row.ms is None else row.ms * handicap, row.precision != "f32", row.backend)

    usable = [row for row in rows if row.ok and row.ms is not None]
    return min(usable, key=order, default=None)


def _settled(manifest: Manifest, way: Way) -> Choice:
    reason = f"{manifest.name} with {way}: the only possibility, not measured"
    row = Measurement(manifest.name, way.backend, way.precision, None, True, "not measured")
    return Choice(manifest, way.backend, way.precision, None, True, reason, (row,))


def _decide(
    candidates: Sequence[Manifest],
    best: dict[str, Measurement],
    table: list[Measurement],
    budget_ms: float,
    faces: int,
    quality: str,
) -> Choice:
    """The last one measured if it keeps up, else the fastest; and the sentence that says so."""
    by_name = {manifest.name: manifest for manifest in candidates}

    def time_of(row: Measurement) -> float:
        return inf if row.ms is None else row.ms

    fitting = [row for row in best.values() if time_of(row) <= budget_ms]
    row = fitting[0] if fitting else min(best.values(), key=time_of)
    manifest = by_name[row.engine]
    untried = [one.name for one in candidates if one.name not in {seen.engine for seen in table}]
    table += [
        Measurement(one, "", "", None, False, f"not measured: {row.engine} ranks higher and keeps up")
        for one in untried
    ]
    load = f"{time_of(row):.3g} ms for {faces} face{'s' * (faces != 1)}, {budget_ms:.3g} allowed"
    how = f"{row.engine} with {row.backend} {row.precision}: {load}"
    figure = manifest.metrics.get(quality)
    rank = f", {quality} {figure:.4g}" if figure is not None else ""
    slow = [f"{one.engine} ({time_of(one):.3g} ms)" for one in best.values() if time_of(one) > budget_ms]
    if not fitting:
        reason = f"{how}; it does not keep up" + ("" if len(best) == 1 else ", but the others are slower")
    elif slow:
        reason = f"{how}{rank}; the best that keeps up, {', '.join(slow)} would not"
    elif untried:
        reason = f"{how}{rank}; the best of {len(candidates)}, and it keeps up"
    else:
        reason = f"{how}{rank}; it keeps up"
    return Choice(manifest, row.backend, row.precision, row.ms, bool(fitting), reason, tuple(table))
