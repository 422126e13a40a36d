"""Owns orphans: deliveries of receivers and active jobs of accounts that were removed from the configuration.

Such deliveries are not sent and such jobs are not polled again. A command moves or drops the deliveries.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from tracker.core.queries.backlog import Backlog

Name = Annotated[str, Meta(min_length=1, max_length=256)]


class Orphans(NamedTuple):
    """By receiver what is pending and dead; by account how many jobs are active."""

    receivers: Mapping[str, Backlog] = {}
    accounts: Mapping[str, int] = {}

    def sentences(self) -> Iterator[str]:
        """What was left behind and what to do about it, a sentence for each receiver and account."""
        for name, backlog in self.receivers.items():
            yield receiver_sentence(name, backlog)
        for name, jobs in self.accounts.items():
            yield account_sentence(name, jobs)


class Move(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The open deliveries of a receiver that the configuration lacks go to the receiver `to`."""

    to: Annotated[Name, Meta(description="The receiver that gets the deliveries")]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries were `moved`, and how many were dropped because the receiver `already` has them."""

    moved: int
    already: int


class Drop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Forget the open deliveries of a receiver that the configuration lacks; or of any receiver those that are `dead`."""

    dead: Annotated[bool, Meta(description="Whether only what is dead is dropped, also of a receiver that is configured")] = (
        False
    )


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries were forgotten."""

    dropped: int


def receiver_sentence(name: str, backlog: Backlog) -> str:
    return (
        f"receiver {name} is not in the configuration, and {waiting(backlog)}: "
        f"`batch-tracker deliveries --move {name} OTHER` gives them to another receiver, `--drop {name}` forgets them"
    )


def account_sentence(name: str, jobs: int) -> str:
    are = "1 job of it is" if jobs == 1 else f"{jobs:,} jobs of it are"
    return (
        f"account {name} is not in the configuration, and {are} shown as active forever: "
        "an account of this name would watch them again"
    )


def waiting(backlog: Backlog) -> str:
    """The number of deliveries that wait for a removed receiver, as text."""
    parts = [f"{number:,} {state}" for number, state in ((backlog.pending, "pending"), (backlog.dead, "dead")) if number]
    one = backlog.pending + backlog.dead == 1
    return f"{' and '.join(parts)} {'delivery waits' if one else 'deliveries wait'} for it"


def refusal(name: str, configured: Collection[str], *, dead: bool = False) -> str | None:
    """The error if the deliveries of receiver `name` can be neither moved nor dropped, else None."""
    if dead or name not in configured:
        return None
    return (
        f"receiver {name!r} is in the configuration: take it out and reload first; "
        f"--drop {name} --state dead forgets what is dead"
    )


def refusal_of_holder(name: str, leases: Iterable[Mapping[str, Any]], replica: str | None = None) -> str | None:
    """The error if a replica other than `replica` serves receiver `name`, else None; `leases` as a reader gives them."""
    for lease in leases:
        if lease["kind"] == "receiver" and lease["name"] == name and lease["holder"] not in (None, replica):
            there = f"receiver {name!r} is in the configuration of replica {lease['holder']!r}, which serves it"
            return f"{there}: take it out there and reload first"
    return None


def nothing_left(name: str, orphans: Orphans) -> str:
    """The error that receiver `name` has nothing to move or drop, with the receivers that have."""
    others = ", ".join(orphans.receivers)
    return f"receiver {name!r} has no pending or dead delivery" + (f"; there are some of: {others}" if others else "")
