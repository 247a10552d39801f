"""Keeps built plans in the user's cache folder, each with a page that says exactly what it fits.

A plan belongs to one network, one library version, one kind of GPU and one set of flags; all of them
are in its name's digest, so a plan that does not fit is never found, and one that was copied here by
hand is refused by its page.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from stream_mer.errors import EngineError, OutputError
from stream_mer.runtime.machine import cache_dir
from stream_mer.runtime.plan_build import PROFILES, BuiltPlan, PlanRequest

PORTABLE = "ampere+"
"""Compute capability of a TensorRT-RTX plan that is finished on whatever GPU loads it."""

ELSEWHERE = "free space, or keep plans elsewhere: engines --cache DIR, or XDG_CACHE_HOME for every command"
KEY_DIGITS = 16
DECIDING = ("typed_sha256", "backend", "version", "capability", "system", "precision", "flags")
"""Fields of a page that decide whether a plan fits; the key is their digest."""


@dataclass(frozen=True, slots=True)
class PlanManifest:
    """The page beside a plan: what it is and what it fits.

    Args:
        engine: name of the network.
        network_sha256: of the f32 ``model.onnx`` it descends from.
        typed_sha256: of the typed or Q/DQ network that was built.
        backend: ``tensorrt`` or ``tensorrt-rtx``.
        version: of that library.
        capability: compute capability, ``sm90``, or ``PORTABLE``.
        system: operating system and processor.
        precision: of the plan.
        flags: the rest of the request, as text.
        batches: largest batch of each profile.
        plan_sha256: of the plan file.
        seconds: that building took.
        parity: the verdict of the gate against the CPU in f32; empty until it was run on a GPU.
        passed: whether the gate let it through; None until then.
        checked_on: the GPU that was judged; the verdict counts on such a one only.
    """

    engine: str
    network_sha256: str
    typed_sha256: str
    backend: str
    version: str
    capability: str
    system: str
    precision: str
    flags: str
    batches: tuple[int, ...]
    plan_sha256: str = ""
    seconds: float = 0.0
    parity: str = ""
    passed: bool | None = None
    checked_on: str = ""

    def verdict_on(self, device: str) -> bool | None:
        """The gate's verdict on a GPU like ``device``; None if it was never judged there.

        A portable plan is finished by each GPU's own compiler, so another GPU's verdict says nothing.
        """
        return self.passed if self.checked_on == device else None

    @property
    def key(self) -> str:
        """Digest of everything that decides whether the plan fits."""
        return sha256("|".join(getattr(self, name) for name in DECIDING).encode()).hexdigest()[:KEY_DIGITS]

    @property
    def stem(self) -> str:
        """File name without ending."""
        return f"{self.engine}-{self.precision}-{self.capability}-{self.key}".replace("+", "")


def describe_system() -> str:
    """Operating system and processor kind; a plan works on one of them only."""
    return f"{platform.system()} {platform.machine()}"


def describe_flags(request: PlanRequest) -> str:
    """Everything in a request but precision and target, in one line."""
    profiles = " ".join("-".join(str(size) for size in profile) for profile in request.profiles)
    return f"profiles {profiles}, tf32 {'on' if request.tf32 else 'off'}, level {request.level}"


class PlanCache:
    """Plans and timing caches in one folder; deleting it costs only building again.

    Args:
        folder: where; the user's cache folder if None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = cache_dir() / "plans" if folder is None else folder

    def path(self, manifest: PlanManifest) -> Path:
        """Where that plan lies or would lie."""
        return self.folder / f"{manifest.stem}.plan"

    def find(self, wanted: PlanManifest) -> PlanManifest | None:
        """The page of the plan that fits ``wanted``, or None if there is none yet.

        Raises:
            EngineError: there is one but its page is for something else, or cannot be read.
        """
        page = self.path(wanted).with_suffix(".json")
        try:
            if not page.is_file() or not self.path(wanted).is_file():
                return None
        except OSError as error:  # a folder of another user's
            raise EngineError(f"plans {self.folder}: {error.strerror}; {ELSEWHERE}") from error
        found = read_page(page)
        if found is None:
            return None
        differing = [
            f"{name} {getattr(found, name)!r} is not {getattr(wanted, name)!r}"
            for name in DECIDING
            if getattr(found, name) != getattr(wanted, name)
        ]
        if differing:
            raise EngineError(f"plan {page.stem} does not fit here: {differing[0]}\n{rebuild_hint(wanted)}")
        return found

    def read(self, manifest: PlanManifest) -> bytes:
        """The plan's bytes, if they are still those that were built.

        Raises:
            EngineError: missing or altered.
        """
        path = self.path(manifest)
        try:
            plan = path.read_bytes()
        except OSError as error:
            raise EngineError(f"plan {path}: {error.strerror}\n{rebuild_hint(manifest)}") from error
        digest = sha256(plan).hexdigest()
        if digest != manifest.plan_sha256:
            raise EngineError(
                f"plan {path.name} has sha256 {digest[:12]}, its page says {manifest.plan_sha256[:12]}: "
                f"it is damaged or not the one that was built\n{rebuild_hint(manifest)}"
            )
        return plan

    def keep(self, wanted: PlanManifest, built: BuiltPlan) -> PlanManifest:
        """Write plan, page and timing cache; each file appears whole or not at all.

        Raises:
            OutputError: the folder cannot be written.
        """
        digest = sha256(built.plan).hexdigest()
        manifest = replace(
            wanted, plan_sha256=digest, seconds=round(built.seconds, 3), parity="", passed=None, checked_on=""
        )
        # First, so that a power cut in between leaves a plan without a page, which is built again, and not
        # beside the page of the plan before, which would count as damaged at every start.
        with self._writing(self.path(manifest)):
            self.path(manifest).with_suffix(".json").unlink(missing_ok=True)
        self._write(self.path(manifest), built.plan)
        if built.timing:
            self._write(self._timing(manifest), built.timing)
        self.note(manifest)
        return manifest

    def note(self, manifest: PlanManifest) -> None:
        """Write the page again, e.g. after the parity gate."""
        text = json.dumps(asdict(manifest), indent=1, sort_keys=True)
        self._write(self.path(manifest).with_suffix(".json"), text.encode())

    def timing(self, manifest: PlanManifest) -> bytes:
        """Timing cache of earlier builds with this library on this kind of GPU; empty if none."""
        try:
            return self._timing(manifest).read_bytes()
        except OSError:
            return b""

    def pages(self, engine: str = "") -> tuple[PlanManifest, ...]:
        """Every page that this version of the program wrote, of all engines or of one, by name.

        Raises:
            EngineError: one cannot be read.
        """
        pattern = f"{engine}-*.json" if engine else "*.json"
        found = (read_page(page) for page in sorted(self.folder.glob(pattern)))
        return tuple(page for page in found if page is not None and engine in ("", page.engine))

    def built_ns(self, manifest: PlanManifest) -> int:
        """When the plan was written, by the wall clock; 0 if it is not there."""
        try:
            return self.path(manifest).stat().st_mtime_ns
        except OSError:
            return 0

    def _timing(self, manifest: PlanManifest) -> Path:
        return self.folder / f"{manifest.backend}-{manifest.version}-{manifest.capability}.timing"

    def _write(self, path: Path, content: bytes) -> None:
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        with self._writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with partial.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())  # a Jetson loses its power; a name without content would stay
                partial.replace(path)
            except BaseException:
                with suppress(OSError):
                    partial.unlink()  # on a full disk it would keep the disk full
                raise

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"plan {path}: {error.strerror}; {ELSEWHERE}") from error


def read_page(page: Path) -> PlanManifest | None:
    """A plan's page; None if another version of the program wrote it, whose plan is built again when wanted.

    Raises:
        EngineError: not readable as one.
    """
    try:
        content: dict[str, Any] = json.loads(page.read_text(encoding="utf-8"))
        known = {one.name for one in fields(PlanManifest)}
        if set(content) != known:
            return None
        found = PlanManifest(**{**content, "batches": tuple(content["batches"])})
        _require_kinds(found)
    except (OSError, ValueError, TypeError) as error:
        raise EngineError(f"plan page {page}: {error}; delete it and build again") from error
    return found


def _require_kinds(page: PlanManifest) -> None:
    """What was edited by hand may be anything.

    Raises:
        ValueError: a field has another kind of value.
    """
    kinds: dict[str, tuple[type, ...]] = {
        "str": (str,), "float": (int, float), "bool | None": (bool, type(None)),
        "tuple[int, ...]": (tuple,),
    }  # fmt: skip
    wrong = [
        one.name for one in fields(page) if not isinstance(getattr(page, one.name), kinds[str(one.type)])
    ]
    sizes = [size for size in page.batches if type(size) is int and size > 0]
    if not sizes or sizes != sorted(set(page.batches)):
        wrong.append("batches")
    if wrong:
        raise ValueError(f"{wrong[0]} is not as it was written")


def flags_for(manifest: PlanManifest) -> str:
    """The flags of ``engines build`` and ``verify`` that mean this very plan, none beside it."""
    portable = manifest.backend != "tensorrt-rtx" or manifest.capability == PORTABLE
    target = "" if portable else f" --target {manifest.capability}"
    batch = "" if manifest.batches[-1] == PROFILES[-1][2] else f" --max-batch {manifest.batches[-1]}"
    wanted = f"--engine {manifest.engine} --backend {manifest.backend} --precision {manifest.precision}"
    return f"{wanted}{target}{batch}"


def rebuild_hint(manifest: PlanManifest) -> str:
    """What to do about a plan that is no good, as one line."""
    return f"build it again: stream-mer engines build {flags_for(manifest)} --force"
