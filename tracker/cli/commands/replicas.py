"""Owns `batch-tracker replicas`: which replicas share the database, and which of them works on what."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import click

from tracker.cli.arguments.options import config_option, examples, json_option
from tracker.cli.formatting import quantities
from tracker.cli.formatting.json_output import echo_json
from tracker.cli.formatting.printing import echo_error
from tracker.config import account_names, receiver_names
from tracker.core.ports.reader import Reader
from tracker.core.replicas.lease import LeaseKey
from tracker.core.replicas.unheld_leases import find_unheld, unheld_sentences
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database
from tracker.store.address import PostgresAddress
from tracker.store.opening import read_once

_ALONE: Final = "the database is a file of one process: it has no replicas"
_NOBODY: Final = "no replica lives: nothing is watched and nothing is sent"


class _Cluster(NamedTuple):
    """The replicas, the leases that they hold, and what none of them holds."""

    replicas: Sequence[dict[str, Any]]
    leases: Sequence[dict[str, Any]]
    unheld: Sequence[LeaseKey]


@click.command(epilog=examples("replicas", "replicas --leases", "replicas --json | jq -r 'select(.live).name'"))
@config_option
@json_option
@click.option("--leases", "shows_leases", is_flag=True, help="Show which replica works on which account and receiver.")
def command(config: str | None, as_json: bool, shows_leases: bool) -> None:
    """List the replicas that share the database, or with --leases what each of them works on."""
    cluster = _read(config)
    if cluster is None:
        echo_error(_ALONE)
        return
    rows = [*cluster.leases, *map(_unheld_row, cluster.unheld)] if shows_leases else cluster.replicas
    if as_json:
        for row in rows:
            echo_json({name: value for name, value in row.items() if name != "report"})
    elif rows and cluster.replicas:
        (_show_leases if shows_leases else _show_replicas)(rows)
    _report_trouble(cluster)


def _read(config: str | None) -> _Cluster | None:
    """None if the database is a file."""
    database = configured_database(config)

    async def read(reader: Reader) -> tuple[Sequence[dict[str, Any]], Sequence[dict[str, Any]]]:
        return await reader.replicas(), await reader.leases()

    replicas, leases = read_once(database, read)
    if not replicas and not isinstance(database, PostgresAddress):
        return None
    unheld = find_unheld(leases, account_names(config), receiver_names(config))
    return _Cluster(replicas, [lease for lease in leases if lease["holder"] is not None], unheld)


def _unheld_row(key: LeaseKey) -> dict[str, Any]:
    """As the rows of leases that a replica holds."""
    return {"kind": key.kind, "name": key.name, "holder": None, "epoch": None, "since": None, "expires_at": None}


def _report_trouble(cluster: _Cluster) -> None:
    if not any(replica["live"] for replica in cluster.replicas):
        echo_error(_NOBODY)
        return
    for sentence in unheld_sentences(cluster.unheld):
        echo_error(plain(sentence))


def _show_replicas(replicas: Sequence[dict[str, Any]]) -> None:
    from tracker.cli.formatting import table_layout, terminal  # noqa: PLC0415 - rich takes longer to load than the replicas

    console = terminal.console()
    columns = (
        table_layout.Column("replica"),
        table_layout.Column("state"),
        table_layout.Column("accounts", right=True),
        table_layout.Column("receivers", right=True),
        table_layout.Column("since", rank=1),
        table_layout.Column("version", rank=2),
        table_layout.Column("url", rank=3, most=60),
    )
    console.print(table_layout.table(columns, _replica_rows(replicas), console.width))


def _replica_rows(replicas: Sequence[dict[str, Any]]) -> Iterator[Sequence[Any]]:
    from rich.text import Text  # noqa: PLC0415 - as above

    for replica in replicas:
        yield (
            plain(replica["name"]),
            Text("live", "green") if replica["live"] else Text("lost", "red"),
            f"{replica['accounts']:,}",
            f"{replica['receivers']:,}",
            quantities.moment(replica["joined_at"]),
            plain(replica["version"]),
            plain(replica["url"] or "-"),
        )


def _show_leases(leases: Sequence[dict[str, Any]]) -> None:
    from tracker.cli.formatting import table_layout, terminal  # noqa: PLC0415 - as above

    console = terminal.console()
    columns = (
        table_layout.Column("kind"),
        table_layout.Column("name", most=60),
        table_layout.Column("replica"),
        table_layout.Column("since", rank=1),
        table_layout.Column("epoch", rank=2, right=True),
    )
    console.print(table_layout.table(columns, _lease_rows(leases), console.width))


def _lease_rows(leases: Sequence[dict[str, Any]]) -> Iterator[Sequence[Any]]:
    from rich.text import Text  # noqa: PLC0415 - as above

    for lease in leases:
        is_held = lease["holder"] is not None
        yield (
            lease["kind"],
            plain(lease["name"]),
            Text(plain(lease["holder"])) if is_held else Text("none", "red"),
            quantities.moment(lease["since"]) if lease["since"] else "-",
            "-" if lease["epoch"] is None else f"{lease['epoch']:,}",
        )
