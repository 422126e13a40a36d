"""Owns the page `/accounts`: the watched accounts and their state."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tracker.core.ports.reader import Reader
from tracker.web.api.receivers import account_state
from tracker.web.daemon_interface import Daemon
from tracker.web.pages.jobs import in_order
from tracker.web.pages.rendering.status_labels import StatusLabel, label_of_status

_STATE_LABELS: Final = {
    True: StatusLabel("ok", "watched", "ok"),
    False: StatusLabel("alert", "failing", "bad"),
    None: StatusLabel("queued", "not polled yet", "mute"),
}

_PARTIAL: Final = StatusLabel("alert", "partly unreadable", "warn")


async def accounts_page(reader: Reader, daemon: Daemon) -> dict[str, Any]:
    """The variables of `accounts.html`."""
    counts = await reader.job_counts()
    shown = []
    for account in daemon.config.accounts:
        health = daemon.health.of(account.name)
        state = account_state(account, daemon.health, dict(counts.get(account.name, {})))
        own = {
            "replica": state.replica or None,
            "label": _PARTIAL if state.up and state.unreadable else _STATE_LABELS[state.up],
            "due_at": None if health.due_at is None else health.due_at / 1000,
        }
        shown.append({**msgspec.structs.asdict(state), **own, "counts": _counts(state.jobs)})
    return {"accounts": shown}


def _counts(counts: Mapping[str, int]) -> list[tuple[StatusLabel, str, int]]:
    return [(label_of_status(status), status, counts[status]) for status in in_order(counts) if status != "deleted"]
