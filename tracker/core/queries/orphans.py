"""Owns what a changed configuration leaves behind: deliveries of receivers and active jobs of accounts that it lacks now.

Such deliveries are not sent and such jobs are not polled again. A command moves or drops the deliveries.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from tracker.core.queries.pages import Backlog

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

    to: Name


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries were `moved`, and how many were dropped because the receiver `already` has them."""

    moved: int
    already: int


class Drop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Forget the open deliveries of a receiver that the configuration lacks; or of any receiver those that are `dead`."""

    dead: bool = False


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
        f"account {name} is not in the configuration, and {are} shown as active for ever: "
        "an account of this name would watch them again"
    )


def waiting(backlog: Backlog) -> str:
    """How many deliveries of a receiver that is gone wait for it."""
    parts = [f"{number:,} {state}" for number, state in ((backlog.pending, "pending"), (backlog.dead, "dead")) if number]
    one = backlog.pending + backlog.dead == 1
    return f"{' and '.join(parts)} {'delivery waits' if one else 'deliveries wait'} for it"


def refusal(name: str, configured: Collection[str], *, dead: bool = False) -> str | None:
    """Why the deliveries of receiver `name` can be neither moved nor dropped; None where they can."""
    if dead or name not in configured:
        return None
    return (
        f"receiver {name!r} is in the configuration: take it out and reload first; "
        f"--drop {name} --state dead forgets what is dead"
    )


def nothing_left(name: str, orphans: Orphans) -> str:
    """Say that receiver `name` has nothing that could be moved or dropped, and which receivers have."""
    others = ", ".join(orphans.receivers)
    return f"receiver {name!r} has no pending or dead delivery" + (f"; there are some of: {others}" if others else "")
