"""Owns `deliveries --move` and `--drop`: moving and dropping deliveries of a receiver that the configuration lacks."""

import sys
from pathlib import Path
from typing import NoReturn

import anyio

from tracker.cli.deliveries.daemon_or_offline_change import change_deliveries, counted
from tracker.cli.formatting.printing import echo, echo_error
from tracker.config import account_names, receiver_names
from tracker.core.deliveries.replay import unknown_receiver
from tracker.core.ports.store import Store
from tracker.core.queries.orphaned_deliveries import Drop, Dropped, Move, Moved, nothing_left, refusal, refusal_of_holder
from tracker.core.text.escaping import plain
from tracker.daemon.control.control_client import Refused, request_drop, request_move
from tracker.daemon.control.control_file import Unreachable
from tracker.daemon.database_address import configured_database
from tracker.store.address import DatabaseAddress
from tracker.store.opening import open_reader


def move(config: str | None, old: str, new: str) -> None:
    """Move the open deliveries of `old` to `new`, and print their number."""
    done, when = anyio.run(_move, config, old, new)
    if isinstance(done, Refused):
        _refuse(done)
    echo(f"{counted(done.moved)} of {plain(old)} moved to {plain(new)}; {when}")
    if done.already:
        echo(f"{counted(done.already)} dropped: {plain(new)} has them already")


def drop(config: str | None, receiver: str, *, dead: bool) -> None:
    """Drop the open deliveries of a receiver, or only the dead ones, and print their number."""
    done, _ = anyio.run(_drop, config, receiver, dead)
    if isinstance(done, Refused):
        _refuse(done)
    echo(f"{counted(done.dropped)} of {plain(receiver)} dropped; the events stay in the log")


async def _move(config: str | None, old: str, new: str) -> tuple[Moved | Refused, str]:
    database = configured_database(config)

    async def by_daemon(file: Path) -> Moved | Refused | Unreachable:
        return await request_move(file, old, Move(to=new))

    async def in_store(store: Store) -> Moved | Refused:
        known = receiver_names(config)
        wrong = unknown_receiver(new, known) if new not in known else refusal(old, known)
        if wrong := wrong or await _refused_by_holder(database, old):
            return Refused(wrong)
        moved = await store.move_deliveries(old, new, store.now())
        return moved if moved.moved + moved.already else await _nothing_left(store, config, old)

    return await change_deliveries(database, new, by_daemon, in_store)


async def _drop(config: str | None, receiver: str, dead: bool) -> tuple[Dropped | Refused, str]:
    database = configured_database(config)

    async def by_daemon(file: Path) -> Dropped | Refused | Unreachable:
        return await request_drop(file, receiver, Drop(dead=dead))

    async def in_store(store: Store) -> Dropped | Refused:
        wrong = refusal(receiver, receiver_names(config), dead=dead)
        if wrong := wrong or (None if dead else await _refused_by_holder(database, receiver)):
            return Refused(wrong)
        dropped = await store.drop_deliveries(receiver, dead=dead)
        return dropped if dropped.dropped else await _nothing_left(store, config, receiver)

    return await change_deliveries(database, receiver, by_daemon, in_store)


async def _refused_by_holder(database: DatabaseAddress, receiver: str) -> str | None:
    async with open_reader(database) as reader:
        return refusal_of_holder(receiver, await reader.leases())


async def _nothing_left(store: Store, config: str | None, receiver: str) -> Refused:
    return Refused(nothing_left(receiver, await store.orphans(receiver_names(config), account_names(config))))


def _refuse(done: Refused) -> NoReturn:
    echo_error(f"batch-tracker: {plain(done.error)}")
    sys.exit(1)
