"""Puts the dashboard and the metrics in front of a fleet; the server lives as long as the block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stream_mer import __version__
from stream_mer.app.camera import Camera
from stream_mer.app.fleet import Fleet
from stream_mer.errors import ConfigError
from stream_mer.pipeline.timing import BOUNDS_S
from stream_mer.web.live_state import LiveState


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT`` as its parts; a port alone means this machine only.

    Raises:
        ConfigError: it is not an address.

    >>> parse_address("8080"), parse_address("[::1]:9000")
    (('127.0.0.1', 8080), ('::1', 9000))
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) < 65536:
        raise ConfigError(f"--web {text} is not an address.\nGive HOST:PORT, for example 127.0.0.1:8080.")
    return host.strip("[]") or "127.0.0.1", int(port)


def check_dashboard(address: str, token: str | None) -> None:
    """Find out without opening anything whether it could be served.

    Raises:
        ConfigError: the extra ``web`` is not installed, the address is none, or no token.
    """
    host, port = parse_address(address)
    try:
        from stream_mer.web.server import require_safe
    except ImportError as error:
        raise _not_installed(error) from error
    require_safe(host, port, token)


def _not_installed(error: ImportError) -> ConfigError:
    return ConfigError(
        f"--web needs {error.name}, which is not installed.\nRun: pip install 'stream-mer[web]'"
    )


@contextmanager
def dashboard(address: str, token: str | None, fleet: Fleet) -> Iterator[str]:
    """Serve the dashboard inside the ``with`` block; gives words on how to open it, the token not among them.

    Args:
        address: ``HOST:PORT``.
        token: required for any address but this machine's own.
        fleet: what is shown.

    Raises:
        ConfigError: the extra ``web`` is not installed, the address is not free, or no token.
    """
    host, port = parse_address(address)
    try:
        from stream_mer.web.dashboard import Dashboard, Service
        from stream_mer.web.metrics import Buckets, CameraReading, Metrics, Reading
        from stream_mer.web.server import WebServer
    except ImportError as error:
        raise _not_installed(error) from error

    def read_camera(camera: Camera) -> CameraReading:
        totals, age_s, run = camera.totals(), camera.age_s(), camera.run
        return CameraReading(
            camera.name,
            up=camera.up,
            captured=totals.captured,
            processed=totals.processed,
            dropped=totals.dropped,
            in_flight=totals.in_flight,
            lost=totals.lost,
            reconnects=dict(camera.reconnects),
            restarts=camera.restarts,
            queue=run.backlog if run is not None else 0,
            last_frame_age_s=age_s,
            coverage=run.progress.tally.coverage if run is not None else 0.0,
            events=totals.events,
            stages={name: Buckets(BOUNDS_S, h.counts, h.sum_s) for name, h in totals.stages.items()},
        )

    def read() -> Reading:
        ladder, shared = fleet.relief.ladder, fleet.networks.super_resolver
        outbox = {}
        for name, courier in fleet.couriers.items():
            c = courier.counts()
            lost = {"overflowed": c.overflowed, "refused": c.refused}
            outbox[name] = {"accepted": c.accepted, "delivered": c.delivered, "waiting": c.waiting, **lost}
        return Reading(
            [read_camera(camera) for camera in fleet.cameras],
            ladder.level,
            ladder.name,
            shared.batches,
            shared.pictures,
            outbox,
            __version__,
            gpu_fallbacks=len(fleet.networks.networks.changes()),
        )

    states: list[LiveState] = [fleet.states[camera.name] for camera in fleet.cameras]
    service = Service(Metrics(read).answer, fleet.overload, fleet.review)
    server = WebServer(Dashboard(states, token=token, service=service), host, port, token=token)
    server.start()
    try:
        yield server.url if token is None else f"{server.url} (open it once with ?token= and your token)"
    finally:
        server.stop()
