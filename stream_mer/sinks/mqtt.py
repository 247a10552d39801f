"""Publishes each event to an MQTT broker, with the broker's receipt (QoS 1)."""

from __future__ import annotations

import contextlib
import threading
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from stream_mer.errors import ConfigError
from stream_mer.sinks.outbox import Letter

TIMEOUT_S = 10.0
TOPIC = "stream_mer/events"


class Mqtt:
    """A connection to a broker, made when there is something to send and kept.

    Args:
        address: ``mqtt://[USER:PASSWORD@]HOST[:PORT][/TOPIC]``, or ``mqtts://`` for TLS.
        timeout_s: longest wait for the broker.

    Raises:
        ConfigError: it is no such address.
    """

    def __init__(self, address: str, *, timeout_s: float = TIMEOUT_S) -> None:
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if host is None or parts.scheme not in ("mqtt", "mqtts"):
            raise ConfigError(
                "mqtt: this is no broker's address\ngive mqtt://HOST or mqtts://USER:PASSWORD@HOST:PORT/TOPIC"
            )
        topic = unquote(parts.path.strip("/")) or TOPIC
        if "#" in address or any(sign in topic for sign in "+#\0"):
            raise ConfigError(
                "mqtt: nothing can be published to a topic with + or #\n"
                "give one without them; in a password # is %23"
            )
        tls = parts.scheme == "mqtts"
        self._host, self._port = host, port or (8883 if tls else 1883)
        self._topic = topic
        self._timeout_s = timeout_s
        self._tls = tls
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._client: Client | None = None
        self._told = threading.Event()  # set by a receipt and by the end of the connection
        self._receipt: int | None = None  # number of the message whose receipt came last

    @property
    def name(self) -> str:
        return f"mqtt {self._host}"

    def deliver(self, letter: Letter) -> None:
        """Publish one event and wait for the receipt; see ``courier.Carrier``."""
        try:
            if self._client is None or not self._client.is_connected():
                self._client = self._connect()
            self._told.clear()
            self._receipt = None
            message = self._client.publish(self._topic, letter.body, qos=1)
            if message.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise OSError(f"not sent ({message.rc.name})")
            told = self._told.wait(self._timeout_s)
            if self._receipt != message.mid:  # paho tells of a receipt before it marks the message
                raise OSError("the broker hung up before its receipt" if told else "no receipt in time")
        except (RuntimeError, ValueError, OSError) as error:
            self.close()
            raise error if isinstance(error, OSError) else OSError(str(error)) from error

    def close(self) -> None:
        """Leave the broker; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError, ValueError):
                client.disconnect()
            client.loop_stop()

    def _connect(self) -> Client:
        self.close()
        # Left to itself paho connects again and sends what it still holds, beside the courier's own next try.
        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.connect_timeout = self._timeout_s
        if self._user:
            client.username_pw_set(self._user, self._password)
        if self._tls:
            client.tls_set()
        said: list[ReasonCode] = []
        answered = threading.Event()

        def on_connect(_c: Client, _d: object, _f: object, code: ReasonCode, _p: object) -> None:
            said.append(code)
            answered.set()

        def on_disconnect(_c: Client, _d: object, _f: object, _code: ReasonCode, _p: object) -> None:
            answered.set()
            self._told.set()

        def on_publish(_c: Client, _d: object, number: int, _code: ReasonCode, _p: object) -> None:
            self._receipt = number
            self._told.set()

        client.on_connect, client.on_disconnect, client.on_publish = on_connect, on_disconnect, on_publish
        client.connect(self._host, self._port, keepalive=30)
        client.loop_start()
        answered.wait(self._timeout_s)  # a wrong password is an error, not silence
        if not said or said[0].is_failure:
            client.disconnect()
            client.loop_stop()
            raise OSError(f"the broker does not let us in ({said[0] if said else 'no answer'})")
        return client
