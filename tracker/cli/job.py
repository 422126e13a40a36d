"""Owns `batch-tracker job`: one job, and what happened to it."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import anyio
import click

from tracker.cli import text
from tracker.cli.completing import job_ids
from tracker.cli.options import config_option, json_option
from tracker.cli.output import echo_error, echo_json
from tracker.config import database_path
from tracker.core.event import iso
from tracker.core.job import time_of
from tracker.core.verdict import span
from tracker.store.reader import EventFilter, open_reader

_SHOWN_ABOVE = ("id", "status", "total_requests", "completed_requests", "succeeded_requests", "failed_requests")
_TIMES = ("created_at", "started_at", "completed_at")
_SEEN = ("first_seen_at", "observed_at")


@click.command
@click.argument("job_id", metavar="ID", shell_complete=job_ids)
@config_option
@json_option
def command(job_id: str, config: str | None, as_json: bool) -> None:
    r"""Show one job and its timeline; the beginning of its ID will do where it is the only one.

    \b
    Examples:
      batch-tracker job 541d1a81
      batch-tracker job 541d1a81 --json | jq .failed_requests
    """
    found, events = anyio.run(_read, config, job_id)
    if len(found) != 1:
        echo_error(_not_one(job_id, found))
        sys.exit(1)
    (job,) = found
    if as_json:
        echo_json(job)
    else:
        _show(job, events)


def _show(job: Mapping[str, Any], events: Sequence[dict[str, Any]]) -> None:
    from rich.text import Text  # noqa: PLC0415 - rich takes longer to load than the job

    from tracker.cli import terminal  # noqa: PLC0415 - as above

    console = terminal.console()
    console.print(Text.assemble((text.plain(job["id"]), "bold"), "  ", terminal.status(job), "  ", text.progress(job)))
    properties = (terminal.Column(""), terminal.Column("", most=terminal.PIPED, gives=True))
    console.print(terminal.table(properties, _properties(job), console.width))
    console.print()
    columns = (
        terminal.Column("seq", right=True, rank=2),
        terminal.Column("observed"),
        terminal.Column("after", rank=1, right=True),
        terminal.Column("event", most=terminal.PIPED, gives=True),
    )
    rows = ((seq, observed, after, terminal.event_words(event)) for seq, observed, after, event in _timeline(events))
    console.print(terminal.table(columns, rows, console.width))


async def _read(config: str | None, job_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    async with open_reader(database_path(config)) as reader:
        found = await reader.jobs_like(job_id)
        if len(found) != 1:
            return found, []
        which = EventFilter(job=found[0]["id"], account=found[0]["account"])
        events, after = [], 0
        while page := await reader.events(after, which):
            events += [json.loads(body) for _, body in page]
            after = page[-1][0]
        return found, events


def _not_one(job_id: str, found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return f"no job's ID starts with {text.plain(job_id)}"
    return "\n".join(
        [f"several jobs' IDs start with {text.plain(job_id)}:"]
        + [f"  {text.plain(each['id'])} ({each['account']})" for each in found]
    )


def _properties(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in job.items():
        if name in _SHOWN_ABOVE or value in (None, [], {}, False):
            continue
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        if name in _TIMES and time_of(job, name) is not None:
            shown = text.moment(iso(value * 1000))
        if name in _SEEN:
            shown = text.moment(value)
        yield text.plain(name), text.plain(shown)


def _timeline(events: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    before = None
    for event in events:
        observed = datetime.fromisoformat(event["observed_at"])
        after = "" if before is None else f"+{span((observed - before).total_seconds())}"
        before = observed
        yield str(event["seq"]), text.moment(event["observed_at"]), after, event
