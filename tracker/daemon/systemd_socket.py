"""Notifications to the service manager: one datagram a message, as sd_notify(3) describes it."""

import socket
import time
from contextlib import suppress
from typing import Final

_LONGEST: Final = 256
"""Characters of a status; it is one line of `systemctl status`."""

_SEND_WITHIN: Final = 1.0
"""Seconds; systemd's queue is full only where systemd itself hangs."""


class Systemd:
    """Notifies the manager at `address` (of $NOTIFY_SOCKET) of the service's state; does nothing without one.

    A notification that cannot be sent is lost: the service continues, and the manager notices what it misses.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._status: str | None = None

    def ready(self) -> None:
        self._notify("READY=1")

    def reloading(self) -> None:
        self._notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._notify("STOPPING=1", "STATUS=stopping")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._notify("WATCHDOG=1")

    def status(self, status: str) -> None:
        """Send the status if it has changed."""
        if status != self._status:
            self._status = status
            self._notify(f"STATUS={_one_line(status)}")

    def _notify(self, *fields: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.settimeout(_SEND_WITHIN)
            manager.sendto("\n".join(fields).encode(), address)


def _one_line(text: str) -> str:
    """`text` as the value of one field: a line break in it would begin another."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
