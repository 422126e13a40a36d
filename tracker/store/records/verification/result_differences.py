"""Owns comparing the outcomes of archiving with the log, and finding archive tasks of jobs that cannot have one."""

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tracker.core.events.event import Event, iso
from tracker.core.events.result_events import ARCHIVED, RESULTS_GONE, shortened_files
from tracker.store.records.verification.row import Row

_NAMES: Final = {ARCHIVED: "files", RESULTS_GONE: "missing"}
"""The columns of the table for an event's `files`."""


class RebuiltResults(msgspec.Struct, frozen=True, kw_only=True):
    """The last outcome of archiving by its one or two events: when they were observed, and their `files` by type."""

    observed_at: str
    files: dict[str, Any]


def rebuilt_results(event: Event, last: RebuiltResults | None) -> RebuiltResults:
    """The outcome by the log once `event` is read; `last` is the outcome before it."""
    before = last.files if last and last.observed_at == event.observed_at else {}
    return RebuiltResults(observed_at=event.observed_at, files=before | {event.type: event.files})


def result_differences(row: Row, rebuilt: RebuiltResults | None) -> Iterator[str]:
    """How the outcome of archiving in `row` differs from that by the log."""
    where = _where(row["account"], row["job"])
    if rebuilt is None:
        yield f"{where}: the log lacks them, the table has them"
    else:
        yield from _unlike_log(where, rebuilt, row)


def missing_result(account: str, job: str) -> str:
    return f"{_where(account, job)}: the log has them, the table lacks them"


def unexpected_task(row: Row) -> str:
    return f"account {row['account']}, archive task of job {row['job']}: there is no such job that has ended"


def _where(account: str, job: str) -> str:
    return f"account {account}, results of job {job}"


def _unlike_log(where: str, rebuilt: RebuiltResults, row: Row) -> Iterator[str]:
    try:
        at = iso(row["archived_at"])
        data = json.loads(row["data"])
        found = {type_: data[name] for type_, name in _NAMES.items() if data[name]}
        shortened = {type_: shortened_files(files) for type_, files in found.items()}
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError, RecursionError) as error:
        yield f"{where}: what the table holds of them cannot be read: {error}"
        return
    if rebuilt.observed_at != at:
        yield f"{where}: archived_at: the log says {rebuilt.observed_at}, the table says {at}"
    for type_, name in _NAMES.items():
        logged = rebuilt.files.get(type_)
        if logged not in (found.get(type_), shortened.get(type_)):
            yield f"{where}: {name}: the log says {logged!r}, the table says {found.get(type_)!r}"
