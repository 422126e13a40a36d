"""Owns making and ending a silence: by the daemon that has the database's file, or in the database itself."""

from pathlib import Path

from tracker.cli.deliveries.daemon_or_offline_change import change_store
from tracker.config import account_names, receiver_kinds
from tracker.core.deliveries.fan_out import WEBHOOK, Subscription
from tracker.core.ports.store import Store
from tracker.core.silences.scope_mistakes import scope_mistakes
from tracker.core.silences.shown_silence import Lifted, SilenceAnswer, answer_to
from tracker.core.silences.silence import MOST_OPEN, AddedSilence, SilenceRequest, requested_silence
from tracker.daemon.control.control_client import Refused, request_lift, request_silence
from tracker.daemon.control.control_file import Unreachable
from tracker.daemon.database_address import configured_database
from tracker.runtime.clock import now


async def add(config: str | None, request: SilenceRequest) -> tuple[SilenceAnswer | Refused, bool]:
    """Make the silence; also whether a daemon runs."""

    async def by_daemon(file: Path) -> SilenceAnswer | Refused | Unreachable:
        return _refused(request, now()) or await request_silence(file, request)

    async def in_store(store: Store) -> SilenceAnswer | Refused:
        kinds = receiver_kinds(config)
        if wrong := "; ".join(scope_mistakes(request.scope, account_names(config), kinds)):
            return Refused(wrong, is_unknown=True)
        _subscribe(store, kinds)
        at = store.now()
        if refused := _refused(request, at):
            return refused
        silence = requested_silence(request, at, "command")
        silenced = await store.silences.add(silence, at)
        if silenced is None:
            return Refused(f"there are {MOST_OPEN} silences that have not ended, which is the limit")
        return answer_to(AddedSilence(silence=silence, silenced=silenced), at)

    return await change_store(configured_database(config), by_daemon, in_store)


async def lift(config: str | None, silence_id: str) -> tuple[Lifted | Refused, bool]:
    """End the silence; also whether a daemon runs."""

    async def by_daemon(file: Path) -> Lifted | Refused | Unreachable:
        return await request_lift(file, silence_id)

    async def in_store(store: Store) -> Lifted | Refused:
        _subscribe(store, receiver_kinds(config))
        if await store.silences.lift(silence_id, store.now()):
            return Lifted(lifted=True)
        return Refused(f"no silence {silence_id!r} is open", is_unknown=True)

    return await change_store(configured_database(config), by_daemon, in_store)


def _refused(request: SilenceRequest, at: int) -> Refused | None:
    """Why the request cannot be one at that time; None if it can."""
    try:
        requested_silence(request, at, "command")
    except ValueError as error:
        return Refused(str(error), is_unknown=True)
    return None


def _subscribe(store: Store, kinds: dict[str, str]) -> None:
    """The receivers of the configuration, which nothing but the digest at the end goes to."""
    store.subscribe([Subscription(receiver=name, events=(), is_webhook=kind == WEBHOOK) for name, kind in kinds.items()])
