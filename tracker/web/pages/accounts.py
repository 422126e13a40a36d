"""Owns the page `/accounts`: whose jobs are watched, and how that goes."""

from collections.abc import Mapping
from typing import Any

from tracker.core.health import AccountHealth
from tracker.core.ports import Reader
from tracker.web.pages.jobs import in_order
from tracker.web.pages.words import Sign, sign_of_status
from tracker.web.tracker import Tracker


async def accounts_page(reader: Reader, tracker: Tracker) -> dict[str, Any]:
    """What `accounts.html` shows."""
    counts = await reader.job_counts()
    shown = []
    for account in tracker.config.accounts:
        state = tracker.health.accounts.get(account.name, AccountHealth())
        shown.append(
            {
                "name": account.name,
                "poll_interval": account.poll_interval,
                "requests_per_second": account.requests_per_second,
                "sign": sign_of_account(state),
                "failure": state.failure,
                "failing_since": _seconds(state.failing_since),
                "swept_at": _seconds(state.swept_at),
                "next_at": _seconds(state.due_at),
                "counts": _counts(counts.get(account.name, {})),
            }
        )
    return {"accounts": shown}


def sign_of_account(state: AccountHealth) -> Sign:
    if state.failure:
        return Sign("alert", "failing", "bad")
    return Sign("ok", "watched", "ok") if state.known else Sign("queued", "not looked at yet", "mute")


def _counts(counts: Mapping[str, int]) -> list[tuple[Sign, str, int]]:
    return [(sign_of_status(status), status, counts[status]) for status in in_order(counts) if status != "deleted"]


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
