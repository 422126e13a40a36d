"""Owns what a transaction of either engine does to silences: which begin, which end, in which order, and what that logs."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from tracker.core.silences.silence import Silence
from tracker.core.silences.silence_events import Missed, ended_event, is_worth_logging, started_event
from tracker.store.records.log_rows import LogEntry


class SilenceSteps(NamedTuple):
    """The silences to begin, then those to end, each with whether the configuration has it no more."""

    starting: list[Silence]
    ending: list[tuple[Silence, bool]]


class SilenceEnd(NamedTuple):
    """How a silence ends: as what it stays in the table, how many deliveries it has kept, and the event of its end, if any."""

    silence: Silence | None
    silenced: int
    entries: list[LogEntry]


def silence_steps(
    silences: Iterable[Silence], now: int, *, ending: Iterable[Silence] = (), unplanned: Collection[Silence] = ()
) -> SilenceSteps:
    """Those of `silences` that are due at `now` (Unix milliseconds) begin or end; those of `ending` and `unplanned` end."""
    due = [each for each in silences if each.is_due(now)]
    over = [each for each in due if not each.is_active(now)]
    return SilenceSteps(
        starting=[each for each in due if each.is_active(now)],
        ending=[*((each, False) for each in (*over, *ending)), *((each, True) for each in unplanned)],
    )


def start_entry(silence: Silence, now: int) -> LogEntry:
    return LogEntry(started_event(silence, now), None)


def silence_end(silence: Silence, missed: Missed, now: int, *, is_unplanned: bool) -> SilenceEnd:
    """How the silence that kept `missed` ends.

    One that is unplanned, never began and kept nothing is removed, so that the configuration may have it again.
    """
    is_logged = is_worth_logging(silence, missed)
    entries = [LogEntry(ended_event(silence, missed, now), None, also=missed.receivers)] if is_logged else []
    stays = replace(silence, unplanned=is_unplanned) if is_logged or not is_unplanned else None
    return SilenceEnd(stays, sum(missed.receivers.values()), entries)
