"""Owns `batch-tracker jobs`: the jobs that the log knows."""

import json
from typing import Any

import anyio
import click

from tracker.cli import text
from tracker.cli.options import config_option, json_option
from tracker.clock import now
from tracker.config import database_path
from tracker.core.verdict import span
from tracker.store.reader import open_reader


@click.command
@config_option
@json_option
@click.option("--account", help="Only the jobs of this account.")
@click.option("--status", "statuses", multiple=True, help="Only jobs in this status; may be given several times.")
@click.option("--limit", default=-1, metavar="N", help="At most so many.")
def command(config: str | None, as_json: bool, account: str | None, statuses: tuple[str, ...], limit: int) -> None:
    """List the jobs: active ones first, then the newest."""
    found = anyio.run(_read, config, account, tuple(map(str.upper, statuses)), limit)
    if as_json:
        for job in found:
            click.echo(json.dumps(job, ensure_ascii=False))
        return
    if found:
        text.console().print(text.table(("status", "job", "account", "created", "progress", "model"), map(_row, found)))
    else:
        click.echo("no such jobs", err=True)


async def _read(config: str | None, account: str | None, statuses: tuple[str, ...], limit: int) -> list[dict[str, Any]]:
    async with open_reader(database_path(config)) as reader:
        return await reader.jobs(account, statuses, limit)


def _row(job: dict[str, Any]) -> tuple[Any, ...]:
    age = span(now() / 1000 - job["created_at"])
    return (
        text.status(job),
        text.plain(job["id"]),
        job["account"],
        f"{age} ago",
        text.progress(job),
        text.plain(job["model"] or "-"),
    )
