"""Owns `batch-tracker deliveries`: what was told to whom, attempt by attempt, and what is still to be told."""

import json
from collections.abc import Callable
from typing import Any, Final, get_args

import anyio
import click
from rich.text import Text

from tracker.cli import text
from tracker.cli.options import config_option, json_option
from tracker.config import database_path
from tracker.core.delivery import State
from tracker.store.reader import DeliveryFilter, open_reader

_COLUMNS: Final = ("seq", "receiver", "event", "job", "state", "attempts", "due or ended", "last result")
_COLOURS: Final = {"pending": "cyan", "delivered": "green", "dead": "red", "superseded": "dim"}


@click.command
@config_option
@json_option
@click.option("--state", "states", multiple=True, type=click.Choice(get_args(State)), help="May be given several times.")
@click.option("--receiver", metavar="NAME", help="Only deliveries to this receiver.")
@click.option("--job", metavar="ID", help="Only deliveries of this job's events.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the last so many.")
def command(
    config: str | None, as_json: bool, states: tuple[str, ...], receiver: str | None, job: str | None, limit: int | None
) -> None:
    """List deliveries in the log's order; as JSON with every attempt."""
    which = DeliveryFilter(states=states, receiver=receiver, job=job)
    if as_json:
        anyio.run(_list, config, which, limit, lambda each: click.echo(json.dumps(each, ensure_ascii=False)))
        return
    found: list[dict[str, Any]] = []
    anyio.run(_list, config, which, limit, found.append)
    console = text.console()
    if found:
        console.print(text.table(_COLUMNS, (_row(each, short=console.is_terminal) for each in found)))
    else:
        click.echo("no such deliveries", err=True)


async def _list(config: str | None, which: DeliveryFilter, limit: int | None, take: Callable[[dict[str, Any]], object]) -> None:
    async with open_reader(database_path(config)) as reader:
        after = await reader.before_last_deliveries(limit, which) if limit else (0, "")
        while page := await reader.deliveries(after, which):
            for delivery in page:
                take(delivery)
            after = page[-1]["seq"], page[-1]["receiver"]


def _row(delivery: dict[str, Any], *, short: bool) -> tuple[Text | str, ...]:
    state, attempts, job = delivery["state"], delivery["attempts"], delivery["job"]
    return (
        str(delivery["seq"]),
        text.plain(delivery["receiver"]),
        text.plain(delivery["type"]),
        "-" if job is None else text.short_id({"id": job}) if short else text.plain(job),
        Text(state, style=_COLOURS[state]),
        str(len(attempts)),
        f"due {text.moment(delivery['due_at'])}" if state == "pending" else text.moment(delivery["ended_at"]),
        _last_result(attempts[-1]) if attempts else "-",
    )


def _last_result(attempt: dict[str, Any]) -> str:
    return " ".join(text.plain(each) for each in (attempt["result"], attempt["detail"]) if each)
