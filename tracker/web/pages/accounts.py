"""Owns the page `/accounts`: whose jobs are watched, and how that goes."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tracker.core.ports.reader import Reader
from tracker.core.reconciliation.account_health import AccountHealth
from tracker.web.api.receivers import account_state
from tracker.web.daemon_interface import Tracker
from tracker.web.pages.formatting import Sign, sign_of_status
from tracker.web.pages.jobs import in_order

_SIGNS: Final = {
    True: Sign("ok", "watched", "ok"),
    False: Sign("alert", "failing", "bad"),
    None: Sign("queued", "not polled yet", "mute"),
}

_PARTIAL: Final = Sign("alert", "partly unreadable", "warn")


async def accounts_page(reader: Reader, tracker: Tracker) -> dict[str, Any]:
    """What `accounts.html` shows."""
    counts = await reader.job_counts()
    shown = []
    for account in tracker.config.accounts:
        health = tracker.health.accounts.get(account.name, AccountHealth())
        state = account_state(account, health, dict(counts.get(account.name, {})))
        own = {
            "sign": _PARTIAL if state.up and state.unreadable else _SIGNS[state.up],
            "due_at": None if health.due_at is None else health.due_at / 1000,
        }
        shown.append({**msgspec.structs.asdict(state), **own, "counts": _counts(state.jobs)})
    return {"accounts": shown}


def _counts(counts: Mapping[str, int]) -> list[tuple[Sign, str, int]]:
    return [(sign_of_status(status), status, counts[status]) for status in in_order(counts) if status != "deleted"]
