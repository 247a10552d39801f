"""``stream-mer engines build`` and ``verify`` for plans: make them, keep them, let the gate judge them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stream_mer.app.console import console
from stream_mer.app.crops import Crops
from stream_mer.app.gpu import interruptible, judge_for
from stream_mer.app.portraits import crops_with
from stream_mer.errors import ConfigError, EngineError
from stream_mer.runtime.gpu_device import find_gpu, load_cuda
from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.open import GPU_BACKENDS
from stream_mer.runtime.plan_build import PROFILES, PlanRequest
from stream_mer.runtime.plan_cache import PlanCache, PlanManifest
from stream_mer.runtime.plans import (
    PlanWish,
    ensure_plan,
    gate_plan,
    page_for,
    precisions_of,
    typed_for,
    wish_for,
)
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.shipped import engines_root, find_manifest
from stream_mer.runtime.trt_library import INSTALL, installed, load_library

LARGEST = PROFILES[-1][2]
"""Pictures in the largest batch that plans are built for."""


def wishes(
    engine: str | None,
    backend: str | None,
    precisions: Sequence[str] | None,
    target: str = "current",
    max_batch: int | None = None,
    root: Path | None = None,
) -> tuple[PlanWish, ...]:
    """Which plans were asked for.

    Args:
        engine: its name; every trained one if None.
        backend: ``tensorrt`` or ``tensorrt-rtx``; whichever is installed if None.
        precisions: what in; each engine's default if None. Those an engine cannot have raise only if
            the engine was named.
        target: compute capability of another GPU.
        max_batch: largest batch, 1 to 64; 64 if None.
        root: folder of engines; those that came with the package if None.

    Raises:
        ConfigError: ``max_batch`` is beyond what plans are built for.
        EngineError: no such engine, or it is not trained, or has no int8 copy.
    """
    if max_batch is not None and max_batch > LARGEST:
        raise ConfigError(
            f"--max-batch {max_batch}: plans are built for batches of up to {LARGEST}.\n"
            "Leave it out: more pictures than a plan takes are run in several batches."
        )
    backend = backend or next((one for one in GPU_BACKENDS if installed(one)), GPU_BACKENDS[0])
    manifests = list_manifests(engines_root(root))
    wanted: Sequence[Manifest] = manifests if engine is None else (find_manifest(engine, manifests),)
    found = []
    for manifest in wanted:
        if engine is not None:
            _ = manifest.path  # says how to train it if there is nothing to build
        elif not manifest.trained:
            continue
        chosen: Sequence[str | None] = precisions or (None,)
        if precisions and engine is None:
            chosen = precisions_of(manifest, precisions)
        found += [wish_for(manifest, backend, one, target=target, max_batch=max_batch) for one in chosen]
    return tuple(found)


def show(engine: str | None, folder: Path | None) -> int:
    """Print the plans there are, what each fits and what the gate said; nothing where there are none.

    Raises:
        EngineError: a plan's page cannot be read.
    """
    cache, out = PlanCache(folder), console()
    table = Table(title=f"plans in {cache.folder}")
    for column in ("engine", "precision", "library", "for", "largest batch", "MB", "state"):
        table.add_column(column)
    for page in cache.pages(engine or ""):
        library, batch = f"{page.backend} {page.version}", str(page.batches[-1])
        size = f"{cache.path(page).stat().st_size / 1e6:.1f}" if cache.built_ns(page) else "missing"
        table.add_row(page.engine, page.precision, library, page.capability, batch, size, _state(page))
    if table.row_count:
        out.print(table)
    return 0


def build(wanted: Sequence[PlanWish], folder: Path | None, *, force: bool = False) -> int:
    """Build what is not in the cache yet, with progress; print where each plan lies and what it fits.

    Raises:
        EngineError: the library is missing, or a network cannot be built.
    """
    cache, out = PlanCache(folder), console()
    table = Table(title=str(cache.folder))
    for column in ("engine", "precision", "for", "library", "MB", "seconds", "state"):
        table.add_column(column)
    for wish in wanted:
        library = load_library(wish.backend)
        with Progress(
            TextColumn("{task.description}"), TimeElapsedColumn(), console=out, transient=True
        ) as bar:
            task = bar.add_task(f"{wish.manifest.name} {wish.request.precision}")

            def report(phase: str, done: int, total: int, wish: PlanWish = wish) -> None:
                text = f"{wish.manifest.name} {wish.request.precision}: {phase} {done} of {total}"
                bar.update(task, description=text)  # noqa: B023  (called inside this turn only)

            with interruptible(report) as stopping:
                page = ensure_plan(wish, cache, library=library, force=force, progress=stopping)
        size = cache.path(page).stat().st_size / 1e6
        cells = (page.engine, page.precision, page.capability, f"{page.backend} {page.version}")
        table.add_row(*cells, f"{size:.1f}", f"{page.seconds:.1f}", _state(page))
    out.print(table)
    return 0


def verify(wanted: Sequence[PlanWish], folder: Path | None, *, asked: bool, faces: Path | None = None) -> int:
    """Let the gate judge every plan in the cache that was asked for.

    Args:
        wanted: plans to look for.
        folder: of the cache; the user's if None.
        asked: whether a backend was named: then a missing library, GPU or plan is an error, else a line.
        faces: folder of portraits to compare on, besides the crops of the demo's clip.

    Raises:
        EngineError: a plan is damaged or gives other numbers than the CPU; it stays refused.
    """
    cache, out, bad = PlanCache(folder), console(), list[str]()
    crops: Crops | None = None
    for wish in wanted:
        label = f"{wish.manifest.name} {wish.backend} {wish.request.precision}"
        if not installed(wish.backend):
            if asked:
                raise EngineError(f"backend {wish.backend} is not installed\n{INSTALL[wish.backend]}")
            out.print(f"no plan was looked at: backend {wish.backend} is not installed (optional)")
            return 0
        page = _known(wish, cache, out, label, asked)
        if page is None:
            continue
        cache.read(page)
        try:
            find_gpu(load_cuda())
        except EngineError as error:
            if asked:
                raise
            out.print(f"{label}: sha256 matches; not compared: {str(error).splitlines()[0]}")
            continue
        crops = crops or crops_with(faces)
        page = gate_plan(wish, cache, judge_for(wish.manifest, crops))
        out.print(f"{label}: {page.parity} on {page.checked_on}")
        if not page.passed:
            bad.append(label)
    if bad:
        raise EngineError(
            f"refused: {', '.join(bad)}.\nUse another precision, or build it again: engines build --force"
        )
    return 0


def _known(wish: PlanWish, cache: PlanCache, out: Console, label: str, asked: bool) -> PlanManifest | None:
    """The plan's page, or None after saying that there is no plan."""
    try:
        wanted = page_for(wish, load_library(wish.backend), typed_for(wish.manifest, wish.request.precision))
    except EngineError as error:
        if asked:
            raise
        out.print(f"{label}: {str(error).splitlines()[0]}")
        return None
    page = cache.find(wanted)
    if page is None:
        if asked:
            raise EngineError(f"no plan of {label} in {cache.folder}\nbuild it: {command(wish)}")
        out.print(f"{label}: no plan was built")
    return page


def command(wish: PlanWish) -> str:
    """The command that builds a plan."""
    request: PlanRequest = wish.request
    target = "" if request.target == "current" else f" --target {request.target}"
    batch = "" if request.largest == LARGEST else f" --max-batch {request.largest}"
    return (
        f"stream-mer engines build --engine {wish.manifest.name} --backend {wish.backend} "
        f"--precision {request.precision}{target}{batch}"
    )


def _state(page: PlanManifest) -> str:
    if page.passed is None:
        return "not compared yet: 'engines verify' on the GPU, or at first use"
    return f"{'passed' if page.passed else 'refused'} on {page.checked_on}: {page.parity}"
