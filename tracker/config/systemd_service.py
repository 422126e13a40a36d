"""Owns the environment of a systemd service: the notification socket and the watchdog's interval."""

import os
from collections.abc import Mapping
from typing import Final

import msgspec


class SystemdService(msgspec.Struct, frozen=True):
    """`notify` is the address of $NOTIFY_SOCKET; `watchdog` the seconds after which a silent service is restarted."""

    notify: str | None = None
    watchdog: float | None = None


NO_SERVICE: Final = SystemdService()
"""What a process without a service manager has."""


def read_service(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> SystemdService:  # noqa: TID251 - config reads it
    """What the service manager expects of the process `pid` (this one); `NO_SERVICE` if it has none."""
    notify = environ.get("NOTIFY_SOCKET", "")
    watchdog = environ.get("WATCHDOG_USEC", "")
    is_for_this_process = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid() if pid is None else pid))
    return SystemdService(
        notify=notify if notify.startswith(("/", "@")) else None,
        watchdog=int(watchdog) / 1_000_000 if is_for_this_process and _is_count(watchdog) else None,
    )


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 2**63
