"""Tells systemd how a service fares, over the socket it names. Without systemd nothing happens.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Systemd:
    """The line to the service manager.

    Args:
        environment: holds ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` if started by systemd.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        # '@' stands for the zero byte of an abstract socket.
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._pid = environment.get("WATCHDOG_PID", "")
        self._limit = environment.get("WATCHDOG_USEC", "")

    @property
    def watchdog_s(self) -> float | None:
        """How often ``alive`` must be called: half of what systemd waits; None if it does not."""
        if not self._address or not self._limit.isdecimal() or int(self._limit) == 0:
            return None
        if self._pid and self._pid != str(os.getpid()):
            return None
        return int(self._limit) / 2e6

    def ready(self, status: str) -> None:
        """Everything is set up."""
        self._say(f"READY=1\nSTATUS={_line(status)}")

    def alive(self, status: str) -> None:
        """Still at work."""
        self._say(f"WATCHDOG=1\nSTATUS={_line(status)}")

    def stopping(self) -> None:
        """Closing the outputs."""
        self._say("STOPPING=1")

    def _say(self, message: str) -> None:
        if not self._address:
            return
        # A service manager that has gone away must not stop the service.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.settimeout(1.0)
            line.sendto(message.encode(), self._address)


def _line(text: str) -> str:
    return " ".join(text.split())
