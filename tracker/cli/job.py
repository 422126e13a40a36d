"""Owns `batch-tracker job`: one job, and what happened to it."""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import anyio
import click
from rich.text import Text

from tracker.cli import text
from tracker.cli.options import config_option, json_option
from tracker.config import database_path
from tracker.core.event import iso
from tracker.core.verdict import span
from tracker.store.reader import EventFilter, open_reader

_SHOWN_ABOVE = ("id", "status", "total_requests", "completed_requests", "succeeded_requests", "failed_requests")
_MOMENTS = ("created_at", "started_at", "completed_at", "first_seen_at", "observed_at")


@click.command
@click.argument("job_id", metavar="ID")
@config_option
@json_option
def command(job_id: str, config: str | None, as_json: bool) -> None:
    """Show one job and its timeline; the beginning of its ID will do where it is the only one."""
    found, events = anyio.run(_read, config, job_id)
    if len(found) != 1:
        click.echo(_not_one(job_id, found), err=True)
        sys.exit(1)
    (job,) = found
    if as_json:
        click.echo(json.dumps(job, ensure_ascii=False))
        return
    console = text.console()
    console.print(Text.assemble((text.plain(job["id"]), "bold"), "  ", text.status(job), "  ", text.progress(job)))
    console.print(text.table(("", ""), _properties(job)))
    console.print()
    console.print(text.table(("seq", "observed", "after", "event"), _timeline(events)))


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


def _properties(job: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in job.items():
        if name in _SHOWN_ABOVE or value in (None, [], {}, False):
            continue
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        if name in _MOMENTS:
            shown = text.moment(iso(value * 1000) if isinstance(value, int) else value)
        yield text.plain(name), text.plain(shown)


def _timeline(events: Sequence[dict[str, Any]]) -> Iterator[tuple[str | Text, ...]]:
    before = None
    for event in events:
        observed = datetime.fromisoformat(event["observed_at"])
        after = "" if before is None else f"+{span((observed - before).total_seconds())}"
        before = observed
        yield str(event["seq"]), text.moment(event["observed_at"]), after, text.event_words(event)
