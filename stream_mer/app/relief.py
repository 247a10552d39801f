"""The networks that several cameras share, and what is given up when the machine cannot keep up.

In this order: a cheaper super-resolver, bicubic interpolation, fewer detections, and only then
frames, which are counted. As soon as there is room again, everything comes back in reverse order.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic_ns

from stream_mer.app.networks import SUPER_RESOLUTION, Networks, pick_networks
from stream_mer.config import Settings
from stream_mer.core.overload import LevelChange, Overload
from stream_mer.pipeline.shared_engine import SharedEngine
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.pipeline.wiring import DEPTH
from stream_mer.runtime.bicubic import BICUBIC
from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.shipped import engines_root

LOOK_S = 0.1
SPARSE, DROPPING = "fewer detections", "dropping frames"

log = logging.getLogger("stream_mer.relief")


class SharedNetworks:
    """Both networks, each owned by one thread, for any number of cameras.

    Args:
        settings: names, backend and threads.

    Raises:
        EngineError: a network is unknown, not trained, or does not load.
    """

    def __init__(self, settings: Settings) -> None:
        picked = pick_networks(settings)
        ladder = [picked, *(pick_networks(replace(settings, engine=name)) for name in _cheaper(picked))]
        self.levels = (
            "nothing given up",
            *(f"super-resolution by {step.super_resolver.name}" for step in ladder[1:]),
            SPARSE,
            DROPPING,
        )
        self.super_resolver = SharedEngine("super-resolution", [step.open_super_resolver for step in ladder])
        self.classifier = SharedEngine("classification", [picked.open_classifier])
        self._steps = ladder
        self.networks = replace(
            picked,
            open_super_resolver=self.super_resolver.client,
            open_classifier=self.classifier.client,
            changes=lambda: tuple(change for step in ladder for change in step.changes()),
        )

    def digests(self) -> Mapping[str, str]:
        """Name -> sha256 of the networks that run at this moment."""
        step = self._steps[self.super_resolver.level]
        return {step.super_resolver.name: step.super_resolver.sha256} | {
            self.networks.classifier.name: self.networks.classifier.sha256
        }

    def close(self) -> None:
        """Close both; whoever still asks is told."""
        self.super_resolver.close()
        self.classifier.close()


def _cheaper(picked: Networks) -> list[str]:
    """Trained super-resolvers that cost less than the chosen one, dearest first, then bicubic."""
    chosen = picked.super_resolver
    if chosen.name == BICUBIC.name:
        return []
    cost = chosen.gflop or float("inf")
    others = [
        m
        for m in list_manifests(engines_root())
        if m.task == SUPER_RESOLUTION and m.trained and m.gflop is not None and m.gflop < cost
    ]
    return [m.name for m in sorted(others, key=lambda m: -(m.gflop or 0.0))] + [BICUBIC.name]


class Relief:
    """Watches the cameras' queues and moves the networks along the ladder.

    Args:
        networks: the shared networks.
        runs: the cameras' present runs.
        changed: told of every step.
    """

    def __init__(
        self,
        networks: SharedNetworks,
        runs: Callable[[], Sequence[ThreadedRun]],
        changed: Callable[[LevelChange], None] = lambda _: None,
    ) -> None:
        self._networks, self._runs, self._changed = networks, runs, changed
        self.ladder = Overload(networks.levels)
        self._lost: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="relief", daemon=True)

    @property
    def sparse(self) -> bool:
        """Whether faces are looked for less often. Readable from any thread."""
        return self.ladder.level >= len(self.ladder.levels) - 2

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Watch no more; idempotent."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self, now_ns: int) -> LevelChange | None:
        """Take one reading and act on it.

        One slow camera among many is its own trouble; the machine is overloaded when the queues are long
        on average, or when half of the cameras lose frames.
        """
        # A run without a result yet still opens its networks: frames wait for it, but nobody is too slow.
        runs = [run for run in self._runs() if run.progress.first_result_ns is not None]
        lost = [self._lost_since(run) for run in runs]
        self._lost = {id(run): run.dropped for run in runs}
        backlog = sum(min(1.0, run.backlog / DEPTH) for run in runs) / max(1, len(runs))
        common = sum(lost) if 2 * sum(count > 0 for count in lost) >= len(runs) else 0
        change = self.ladder.push(now_ns, backlog, common)
        if change is not None:
            self._networks.super_resolver.choose(min(change.level, len(self.ladder.levels) - 3))
            up = change.level > change.before
            log.log(
                logging.WARNING if up else logging.INFO,
                "overload level %d: %s" if up else "recovering to level %d: %s",
                change.level,
                change.name,
            )
            self._changed(change)
        return change

    def _lost_since(self, run: ThreadedRun) -> int:
        return run.dropped - self._lost.get(id(run), run.dropped)

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            self.look(monotonic_ns())
