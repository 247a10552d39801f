"""``stream-mer serve``: many cameras without a window, one dashboard, for weeks."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from stream_mer.app.cameras import FleetConfig, load_cameras
from stream_mer.app.console import counted
from stream_mer.app.dashboard import check_dashboard, dashboard
from stream_mer.app.delivering import carriers
from stream_mer.app.fleet import Fleet, Place
from stream_mer.app.logs import start_logging, teller
from stream_mer.app.networks import require_known
from stream_mer.app.notice import give_notice
from stream_mer.app.outputs import require_writable
from stream_mer.app.systemd import Systemd
from stream_mer.errors import ConfigError
from stream_mer.pipeline.presses import Presses, counted_presses
from stream_mer.pipeline.threads import DOUBLE_PRESS_S

LOOK_S = 0.2
log = logging.getLogger("stream_mer.serve")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The flags of ``serve``."""

    config: Path
    log: str = "text"
    check: bool = False
    seconds: float | None = None


def serve(options: ServeOptions) -> int:
    """Watch until every camera has ended or given up, Ctrl-C, or ``options.seconds`` have passed.

    Raises:
        StreamMerError: the file of cameras, a network or an output is not right. What happens to a
            single camera later is logged, counted and shown, and ends nothing.
        KeyboardInterrupt: after an orderly stop.
    """
    config = load_cameras(options.config)
    _require_startable(options.config, config)
    if options.check:
        print(f"{options.config}: {counted(len(config.cameras), 'camera')}, nothing wrong")
        return 0
    handler = start_logging(options.log)
    tell = teller(options.log)
    systemd = Systemd()
    try:
        give_notice(tell=tell)
        with ExitStack() as stack:
            presses = stack.enter_context(counted_presses())
            place = None
            if config.record is not None:
                require_writable(config.record)
                place = Place(config.record)
            fleet = Fleet(config, place, say=tell)
            stack.callback(fleet.close)
            if config.web is not None:
                where = stack.enter_context(dashboard(config.web, config.web_token, fleet))
                tell(f"dashboard: {where}")
            fleet.start()
            systemd.ready(_status(fleet))
            _attend(fleet, systemd, presses, options.seconds)
            systemd.stopping()
            _end(fleet, presses)
        for camera in fleet.cameras:
            totals = camera.totals()
            lost = sum(totals.dropped.values()) + sum(totals.lost.values())
            counts = f"{counted(totals.processed, 'frame')}, {lost} lost, {counted(totals.events, 'event')}"
            tell(f"{camera.name}: {counts}")
        if presses.count:
            raise KeyboardInterrupt
    finally:
        logging.getLogger().removeHandler(handler)
    return 0


def _require_startable(path: Path, config: FleetConfig) -> None:
    """Check what can be checked without loading, contacting or opening anything.

    Raises:
        ConfigError: the dashboard or a destination of events is not right.
        EngineError: a network is not known.
    """
    try:
        if config.web is not None:
            check_dashboard(config.web, config.web_token)
        carriers(config.deliver)
    except ConfigError as error:
        raise ConfigError(f"{path}, at the top: {error}") from None
    require_known(config.settings)


def _attend(fleet: Fleet, systemd: Systemd, presses: Presses, seconds: float | None) -> None:
    """Look after the service until it is time to stop."""
    started = beat = monotonic()
    pause_s = systemd.watchdog_s
    while not presses.count and (seconds is None or monotonic() - started < seconds):
        if not fleet.wait(LOOK_S):
            log.error("no camera is left")
            return
        if pause_s is not None and monotonic() - beat >= min(pause_s, 10.0):
            beat = monotonic()
            systemd.alive(_status(fleet))


def _end(fleet: Fleet, presses: Presses) -> None:
    """Stop in order; a second Ctrl-C, if no double press, ends at once."""
    fleet.stop()
    asked, pressed = monotonic(), presses.count
    while fleet.wait(LOOK_S):
        if presses.count > pressed and monotonic() - asked > DOUBLE_PRESS_S:
            fleet.abort()


def _status(fleet: Fleet) -> str:
    up = sum(camera.up for camera in fleet.cameras)
    level = fleet.relief.ladder
    return f"{up} of {len(fleet.cameras)} cameras deliver; {level.name}"
