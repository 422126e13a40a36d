"""Owns what systemd says to a service through its environment: where it listens, and how often it wants to hear."""

import os
from collections.abc import Mapping
from typing import Final

import msgspec


class Service(msgspec.Struct, frozen=True):
    """`notify` is the address of $NOTIFY_SOCKET; `watchdog` the seconds after which a silent service is restarted."""

    notify: str | None = None
    watchdog: float | None = None


BY_HAND: Final = Service()
"""What is expected where no manager is."""


def service(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> Service:  # noqa: TID251 - config reads it
    """What the manager of the process `pid` (this one) expects of it; nothing where it is started by hand."""
    notify = environ.get("NOTIFY_SOCKET", "")
    watchdog = environ.get("WATCHDOG_USEC", "")
    concerned = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid() if pid is None else pid))
    return Service(
        notify=notify if notify.startswith(("/", "@")) else None,
        watchdog=int(watchdog) / 1_000_000 if concerned and _is_count(watchdog) else None,
    )


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 2**63
