"""Owns what `deliveries --move` and `--drop` do with the deliveries of a receiver that the configuration lacks."""

import sys
from typing import NoReturn

import anyio

from tracker.cli.formatting import text
from tracker.cli.formatting.output import echo, echo_error
from tracker.cli.process.delivery_changes import change, counted
from tracker.config import account_names, database_path, receiver_names
from tracker.core.deliveries.replay import unknown_receiver
from tracker.core.ports.store import Store
from tracker.core.queries.orphans import Drop, Dropped, Move, Moved, nothing_left, refusal
from tracker.daemon.control import NotReached, Refused, ask_to_drop, ask_to_move
from tracker.runtime.clock import now


def move(config: str | None, old: str, new: str) -> None:
    """Give the open deliveries of `old` to `new`, and say how many they were."""
    done, by_daemon = anyio.run(_move, config, old, new)
    if isinstance(done, Refused):
        _refuse(done)
    when = "they are on their way" if by_daemon else "no daemon is running: they go out once it does"
    echo(f"{counted(done.moved)} of {text.plain(old)} moved to {text.plain(new)}; {when}")
    if done.already:
        echo(f"{counted(done.already)} dropped: {text.plain(new)} has them already")


def drop(config: str | None, receiver: str, *, dead: bool) -> None:
    """Forget the open deliveries of a receiver, or only the dead ones, and say how many they were."""
    done, _ = anyio.run(_drop, config, receiver, dead)
    if isinstance(done, Refused):
        _refuse(done)
    echo(f"{counted(done.dropped)} of {text.plain(receiver)} dropped; the events stay in the log")


async def _move(config: str | None, old: str, new: str) -> tuple[Moved | Refused, bool]:
    database = database_path(config)

    async def ask() -> Moved | Refused | NotReached:
        return await ask_to_move(database, old, Move(to=new))

    async def alone(store: Store) -> Moved | Refused:
        known = receiver_names(config)
        wrong = unknown_receiver(new, known) if new not in known else refusal(old, known)
        if wrong:
            return Refused(wrong)
        moved = await store.move_deliveries(old, new, now())
        return moved if moved.moved + moved.already else await _nothing(store, config, old)

    return await change(database, ask, alone)


async def _drop(config: str | None, receiver: str, dead: bool) -> tuple[Dropped | Refused, bool]:
    database = database_path(config)

    async def ask() -> Dropped | Refused | NotReached:
        return await ask_to_drop(database, receiver, Drop(dead=dead))

    async def alone(store: Store) -> Dropped | Refused:
        if wrong := refusal(receiver, receiver_names(config), dead=dead):
            return Refused(wrong)
        dropped = await store.drop_deliveries(receiver, dead=dead)
        return dropped if dropped.dropped else await _nothing(store, config, receiver)

    return await change(database, ask, alone)


async def _nothing(store: Store, config: str | None, receiver: str) -> Refused:
    return Refused(nothing_left(receiver, await store.orphans(receiver_names(config), account_names(config))))


def _refuse(done: Refused) -> NoReturn:
    echo_error(f"batch-tracker: {text.plain(done.error)}")
    sys.exit(1)
