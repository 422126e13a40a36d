"""Owns the Replay: which deliveries of a receiver are made again, and the result."""

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tracker.core.queries.name_suggestions import did_you_mean

Seq = Annotated[int, Meta(ge=1, le=2**63 - 1, description="The `seq` of an event")]
Moment = Annotated[
    int, Meta(ge=0, lt=253_402_300_800_000, description="Unix milliseconds")
]  # up to the year 9999, the last one that ISO 8601 writes alike

SELECTORS: Final = ("seq", "dead", "silence", "from_seq", "since")
"""The fields that select deliveries; exactly one of them is given."""


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which deliveries of `receiver`: the one of `seq`, all that are `dead`, what a `silence` keeps, or those of a range.

    A range of the log is from `from_seq` to `to_seq`, both included, or what was observed from `since` on and before `until`
    (Unix milliseconds); a range without an end goes to the end of the log. A range ignores the receiver's event filter.
    """

    receiver: Annotated[str, Meta(min_length=1, description="A receiver, by its name")]
    seq: Seq | None = None
    dead: Annotated[bool, Meta(description="Everything that is dead")] = False
    silence: Annotated[str, Meta(min_length=1, max_length=100, description="What this silence keeps")] | None = None
    from_seq: Seq | None = None
    to_seq: Seq | None = None
    since: Moment | None = None
    until: Moment | None = None

    def __post_init__(self) -> None:
        given = [name for name in SELECTORS if getattr(self, name) not in (None, False)]
        if len(given) != 1:
            raise ValueError(f"found {' and '.join(given) or 'none'} of {', '.join(SELECTORS)}, expected exactly one of them")
        for start, end in (("from_seq", "to_seq"), ("since", "until")):
            first, last = getattr(self, start), getattr(self, end)
            if last is not None and first is None:
                raise ValueError(f"found {end}, expected {start} with it")
            if last is not None and last < first:
                raise ValueError(f"found {end} before {start}, expected the same or a later one")


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """How many `deliveries` are pending again, and whether the replay `enabled` a receiver that was disabled."""

    deliveries: int
    enabled: bool = False


def archived_events(which: Replay, first_seq: int) -> str | None:
    """The error that the replay begins before `first_seq`, where the kept log begins; None if it does not."""
    start = which.from_seq if which.seq is None else which.seq
    if start is None or start >= first_seq:
        return None
    return f"event {start} was moved into a segment, and cannot be delivered again; the log begins with event {first_seq}"


def unknown_receiver(name: str, known: Iterable[str]) -> str:
    """The error that there is no receiver `name`, with the names that there are."""
    names = [*known]
    near = did_you_mean(name, names)
    hint = f"did you mean {near!r}? There are: " if near else "there are: "
    return f"no receiver {name!r} in the configuration; " + (hint + ", ".join(names) if names else "it has none at all")
