"""``stream-mer engines``: what is there, is it whole, how fast is it here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stream_mer.app.console import console
from stream_mer.app.crops import Crops
from stream_mer.app.networks import CLASSIFICATION, QUALITY
from stream_mer.app.portraits import crops_with
from stream_mer.errors import EngineError
from stream_mer.runtime.bench import bench_engines
from stream_mer.runtime.bicubic import BICUBIC
from stream_mer.runtime.int8 import read_int8, read_int8_page
from stream_mer.runtime.machine import cpu_model, is_busy, usable_cores
from stream_mer.runtime.manifest import list_manifests, read_network
from stream_mer.runtime.open import Way, open_engine, ways_to_run
from stream_mer.runtime.parity import compare_engines
from stream_mer.runtime.plan_cache import PlanCache
from stream_mer.runtime.plan_choice import gpu_here, gpu_ways
from stream_mer.runtime.plans import load_gpu
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.shipped import engines_root, find_manifest


def show(name: str | None) -> int:
    """Print the engines that came with this installation; untrained ones with their command."""
    table = Table(title=str(engines_root()))
    for column in ("name", "task", "parameters", "GFLOP", "measured", "sha256", "state"):
        table.add_column(column)
    for m in _wanted(name):
        table.add_row(
            m.name,
            m.task,
            f"{m.parameters:,}" if m.parameters else "–",
            f"{m.gflop:g}" if m.gflop else "–",
            _headline(m),
            m.sha256[:12] if m.trained else "–",
            "trained" if m.trained else f"not trained; {m.training.command if m.training else ''}",
        )
    console().print(table)
    return 0


def verify(name: str | None, threads: int | None, faces: Path | None = None) -> int:
    """Check every digest, and compare the ways the product may run an engine with the f32 reference.

    Args:
        name: only this one.
        threads: of the processor.
        faces: folder of portraits to compare on, besides the crops of the demo's clip.

    Raises:
        EngineError: files that do not match their manifest, or ways that give other numbers.
    """
    out = console()
    bad: list[str] = []
    crops = crops_with(faces)
    for manifest in _wanted(name):
        if not manifest.trained or manifest.name == BICUBIC.name:
            out.print(f"{manifest.name}: {'needs no file' if manifest.trained else 'not trained'}")
            continue
        try:
            bad += _verify_one(manifest, threads, crops, out)
        except EngineError as error:
            out.print(f"[red]{error}")
            bad.append(manifest.name)
    if bad:
        raise EngineError(
            f"not as it should be: {', '.join(bad)}.\nReinstall, or use another backend or precision."
        )
    return 0


def _verify_one(manifest: Manifest, threads: int | None, crops: Crops, out: Console) -> list[str]:
    read_network(manifest)
    out.print(f"{manifest.name}: sha256 {manifest.sha256[:12]} matches")
    if read_int8_page(manifest) is not None:
        read_int8(manifest)  # stale or altered copies are said, not passed over
    # The classifier only ever runs in f32 (see pick_networks); pictures also in bf16 where that is faster.
    precision = "f32" if manifest.task == CLASSIFICATION else None
    bad = []
    with closing(open_engine(manifest, backend="onnxruntime", precision="f32", threads=threads)) as reference:
        batch = crops.windows if manifest.task == CLASSIFICATION else crops.lr
        for way in ways_to_run(manifest, precision=precision, threads=threads):
            with closing(way.open()) as engine:
                verdict = compare_engines(reference, engine, batch)
            out.print(f"  {way}: {verdict.reason}")
            if not verdict.ok:
                bad.append(f"{manifest.name} on {way}")
    return bad


def bench(
    name: str | None,
    threads: int | None,
    backend: str | None = None,
    precisions: Sequence[str] | None = None,
    folder: Path | None = None,
) -> int:
    """Measure latency percentiles and faces a second for every engine, backend, precision and batch.

    Beside them the bound: what large matrix products reach here through the same library, in the same
    precision and with as many threads, over the network's operations. A row without it has none.

    Args:
        name: only this engine.
        threads: of the processor.
        backend: only this library.
        precisions: only these.
        folder: of the plans; the user's cache if None.

    Raises:
        EngineError: nothing can be run so here, or an engine does not load.
    """
    out, peaks = console(), dict[str, float]()
    gpu = gpu_here()
    title = f"{cpu_model()}, {threads or usable_cores()} of {usable_cores()} cores"
    table = Table(title=f"{title}; {gpu}" if gpu else title)
    times = ("p50 ms", "p95 ms", "p99 ms")
    for column in ("engine", "backend", "version", "batch", *times, "faces/s", "bound", "of it"):
        table.add_column(column, justify="right")
    manifests = [m for m in _wanted(name) if m.trained]
    work = {m.name: m.gflop for m in manifests}

    def ways(manifest: Manifest, count: int | None) -> tuple[Way, ...]:
        possible = (*ways_to_run(manifest, threads=count), *gpu_ways(manifest, PlanCache(folder)))
        return tuple(
            way
            for way in possible
            if backend in (None, way.backend) and (not precisions or way.precision in precisions)
        )

    if not any(ways(m, threads) for m in manifests):
        wanted = " ".join((*filter(None, (name, backend)), *(precisions or ())))
        raise EngineError(
            f"nothing to measure: {wanted} cannot be run here\n"
            "On a GPU only plans that the gate let through are: stream-mer engines build, then verify."
        )
    for row in bench_engines(manifests, ways, threads=(threads,)):
        figures = (row.p50_ms, row.p95_ms, row.p99_ms)
        version = row.version.split("-")[0]  # OpenVINO's names its branch, too
        cells = [row.engine, row.backend, version, str(row.batch), *(f"{ms:.2f}" for ms in figures)]
        peak = _peak(row.backend, threads, peaks, out) if work[row.engine] else 0.0
        bound = peak / work[row.engine] if peak else None
        share = ("–", "–") if bound is None else (f"{bound:.0f}", f"{row.faces_per_s / bound:.0%}")
        table.add_row(*cells, f"{row.faces_per_s:.0f}", *share)
    out.print(table)
    for way, peak in peaks.items():
        if peak:
            out.print(f"{way}: matrix product {peak:.0f} GFLOP/s")
    if is_busy():
        out.print("measured while others used the machine: the times are too long, and not equally")
    return 0


def _peak(way: str, threads: int | None, peaks: dict[str, float], out: Console) -> float:
    """What matrix products reach where and how a row ran; measured once, 0 if that cannot be."""
    if way not in peaks:
        try:
            peaks[way] = _measured_peak(way, threads)
        except ImportError as error:
            out.print(f"{way}: no bound: it needs the package onnx: {error}; pip install onnx")
            peaks[way] = 0.0
        except EngineError as error:
            out.print(f"{way}: no bound: {str(error).splitlines()[0]}")
            peaks[way] = 0.0
    return peaks[way]


def _measured_peak(way: str, threads: int | None) -> float:
    library, place, precision = way.split(":")
    if place == "cpu":
        from stream_mer.runtime.cpu_peak import cpu_gflops

        return cpu_gflops(library, precision, threads)
    from stream_mer.runtime.gpu_peak import gpu_gflops

    return gpu_gflops(load_gpu(library), precision)


def _wanted(name: str | None) -> tuple[Manifest, ...]:
    manifests = (*list_manifests(engines_root()), BICUBIC)
    return manifests if name is None else (find_manifest(name, manifests),)


def _headline(manifest: Manifest) -> str:
    """The figure people compare engines by; the rest is in the model card."""
    metrics = manifest.metrics
    if QUALITY in metrics:
        return f"{metrics[QUALITY]:.2f} dB (bicubic {metrics.get(f'{QUALITY}_bicubic', float('nan')):.2f})"
    return ", ".join(f"{name} {value:g}" for name, value in list(metrics.items())[:2])
