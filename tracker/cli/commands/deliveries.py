"""Owns `batch-tracker deliveries`: what was delivered to which receiver, attempt by attempt, and what is pending."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, get_args

import click
from msgspec.structs import replace

from tracker.cli.arguments import name_checks
from tracker.cli.arguments.completion_values import job_ids, receivers
from tracker.cli.arguments.daemon_notice import warn_without_daemon
from tracker.cli.arguments.job_lookup import whole_id
from tracker.cli.arguments.options import config_option, examples, json_option
from tracker.cli.formatting import job_description, quantities
from tracker.cli.formatting.json_output import echo_json
from tracker.cli.formatting.printing import echo_error
from tracker.core.deliveries.delivery import State
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import DeliveryFilter
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database
from tracker.store.opening import read_once

SHOWN: Final = 100
"""The default number of deliveries in a table."""

_WHOLE: Final = 150
"""Columns from which on whole IDs and years are shown."""

_COLORS: Final = {"pending": "cyan", "delivered": "green", "dead": "red", "superseded": "dim", "silenced": "yellow"}


@click.command(
    epilog=examples(
        "deliveries --state dead",
        "deliveries --receiver pipeline --limit 20",
        "deliveries --job 541d1a81",
        "deliveries --move former-name pipeline",
        "deliveries --state pending --json | jq .due_at",
    )
)
@config_option
@json_option
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(get_args(State)),
    help="Show only deliveries in this state; may be given several times.",
)
@click.option("--receiver", metavar="NAME", shell_complete=receivers, help="Show only deliveries to this receiver.")
@click.option(
    "--job", metavar="ID", shell_complete=job_ids, help="Show only deliveries of this job's events; its ID, or the beginning."
)
@click.option(
    "--move",
    "moved",
    nargs=2,
    metavar="OLD NEW",
    shell_complete=receivers,
    help="Move what is pending or dead of OLD, a receiver that the configuration lacks, to NEW.",
)
@click.option(
    "--drop",
    "dropped",
    metavar="NAME",
    help="Delete what is pending or dead of NAME, which the configuration lacks; with --state dead, the dead of any receiver.",
)
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help=f"Show only the last N.  [default: {SHOWN}; with --json, all]"
)
def command(
    config: str | None,
    as_json: bool,
    states: tuple[str, ...],
    receiver: str | None,
    moved: tuple[str, str] | None,
    dropped: str | None,
    job: str | None,
    limit: int | None,
) -> None:
    """List the deliveries in the log's order; as JSON with every attempt."""
    if moved or dropped is not None:
        _change(config, moved, dropped, {*states}, others=bool(as_json or receiver or job or limit))
        return
    which = DeliveryFilter(states=states, receiver=receiver, job=job)
    if as_json:
        _list(config, which, limit, echo_json)
        return
    found: list[dict[str, Any]] = []
    shown = limit or SHOWN
    _list(config, which, shown + 1, found.append)
    if not found:
        echo_error("no delivery matches")
        return
    _show(found[-shown:])
    if len(found) > shown and limit is None:
        echo_error(f"These are the last {shown:,}; --limit N shows more of them, --json all.")


def _change(config: str | None, moved: tuple[str, str] | None, dropped: str | None, states: set[str], *, others: bool) -> None:
    """Run --move or --drop, which allow no other option than `--state dead`."""
    if others or (moved and (dropped is not None or states)) or states - {"dead"}:
        raise click.UsageError("--move stands alone, and --drop with nothing but --state dead")
    from tracker.cli.deliveries import move_and_drop  # noqa: PLC0415 - only who changes something needs what writes

    if moved:
        move_and_drop.move(config, *moved)
    elif dropped is not None:
        move_and_drop.drop(config, dropped, dead=bool(states))


def _list(config: str | None, which: DeliveryFilter, limit: int | None, take: Callable[[dict[str, Any]], object]) -> None:
    database = configured_database(config)

    async def read(reader: Reader) -> None:
        await warn_without_daemon(database, reader)
        wanted = which if which.job is None else replace(which, job=await whole_id(reader, which.job))
        await name_checks.check_receiver(reader, config, wanted.receiver)
        after = await reader.start_of_last_deliveries(limit, wanted) if limit else (0, "")
        while page := await reader.deliveries(after, wanted):
            for delivery in page:
                take(delivery)
            after = page[-1]["seq"], page[-1]["receiver"]

    read_once(database, read)


def _show(deliveries: Sequence[dict[str, Any]]) -> None:
    from tracker.cli.formatting import table_layout, terminal  # noqa: PLC0415 - rich takes longer to load than the deliveries

    console = terminal.console()
    columns = (
        table_layout.Column("seq", right=True),
        table_layout.Column("receiver", most=20),
        table_layout.Column("event", rank=1),
        table_layout.Column("job", rank=4),
        table_layout.Column("state"),
        table_layout.Column("attempts", rank=5, right=True),
        table_layout.Column("due or ended", rank=3),
        table_layout.Column("last result", rank=2, most=200, shrinks=True),
    )
    console.print(table_layout.table(columns, _rows(deliveries, whole=console.width >= _WHOLE), console.width))


def _rows(deliveries: Sequence[dict[str, Any]], *, whole: bool) -> Iterator[Sequence[Any]]:
    from rich.text import Text  # noqa: PLC0415 - as above

    for delivery in deliveries:
        state, attempts, job = delivery["state"], delivery["attempts"], delivery["job"]
        moment = quantities.moment(delivery["ended_at"] or delivery["due_at"])
        yield (
            str(delivery["seq"]),
            plain(delivery["receiver"]),
            plain(delivery["type"]),
            "-" if job is None else plain(job) if whole else job_description.short_id({"id": job}),
            Text(state, style=_COLORS[state]),
            str(len(attempts)),
            f"due {moment if whole else moment[5:]}" if state == "pending" else moment if whole else moment[5:],
            _last_result(attempts[-1]) if attempts else "-",
        )


def _last_result(attempt: dict[str, Any]) -> str:
    return " ".join(plain(each) for each in (attempt["result"], attempt["detail"]) if each)
