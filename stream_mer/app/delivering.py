"""Where the events of a live service go besides its recordings: standard output, a webhook, a broker."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from functools import partial

from platformdirs import user_state_path

from stream_mer.app.cameras import Delivery
from stream_mer.errors import ConfigError
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.sinks.courier import Carrier, Courier, DeliverySink
from stream_mer.sinks.event_stream import EventLines, EventStream
from stream_mer.sinks.outbox import Outbox
from stream_mer.sinks.webhook import Webhook


def delivering_sinks(couriers: Mapping[str, Courier], lines: EventLines) -> list[SinkRecipe]:
    """The sinks that let a camera's events out: always standard output, and one for every courier."""
    sinks = [SinkRecipe(name, partial(_delivery, courier, lines)) for name, courier in couriers.items()]
    descriptor = _standard_output()
    if descriptor is not None:
        sinks.append(SinkRecipe("stream", lambda _: EventStream(lines, descriptor)))
    return sinks


def _delivery(courier: Courier, lines: EventLines, _: object) -> DeliverySink:
    return DeliverySink(courier, lines)


def _standard_output() -> int | None:
    """Its descriptor; None where the program was started without one, or it is no file."""
    try:
        return None if sys.stdout is None else sys.stdout.fileno()
    except OSError:
        return None


def carriers(deliver: Delivery) -> dict[str, tuple[str, Carrier]]:
    """Destination -> its address and the one who carries there; nothing is contacted yet.

    Raises:
        ConfigError: an address or a token is not right, or the extra ``mqtt`` is not installed.
    """
    made: dict[str, tuple[str, Carrier]] = {}
    if deliver.webhook is not None:
        made["webhook"] = (deliver.webhook, Webhook(deliver.webhook, token=deliver.webhook_token))
    if deliver.mqtt is not None:
        try:
            from stream_mer.sinks.mqtt import Mqtt
        except ImportError as error:
            raise ConfigError(
                f"mqtt needs {error.name}, which is not installed.\nRun: pip install 'stream-mer[mqtt]'"
            ) from error
        made["mqtt"] = (deliver.mqtt, Mqtt(deliver.mqtt))
    return made


def open_couriers(deliver: Delivery, opened: ExitStack) -> dict[str, Courier]:
    """One courier a destination, closed with ``opened``; settings are checked now, connections made later."""
    folder = user_state_path("stream_mer") / "outbox"
    couriers: dict[str, Courier] = {}
    for name, (address, carrier) in carriers(deliver).items():
        box = Outbox(folder / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:16]}.sqlite")
        couriers[name] = opened.enter_context(closing(Courier(box, partial(_same, carrier))))
    return couriers


def _same(carrier: Carrier) -> Carrier:
    return carrier
