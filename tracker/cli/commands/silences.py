"""Owns `batch-tracker silences`: the silences and maintenance windows that are open, and those that were."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import click
import msgspec

from tracker.cli.arguments.daemon_notice import warn_without_daemon
from tracker.cli.arguments.options import config_option, examples, json_option
from tracker.cli.formatting import quantities
from tracker.cli.formatting.json_output import echo_json
from tracker.cli.formatting.printing import echo_error
from tracker.core.ports.reader import Reader
from tracker.core.silences.shown_silence import ShownSilence, shown_silence
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database
from tracker.runtime.clock import now
from tracker.store.opening import read_once

_MOST_ENDED: Final = 1000
_COLORS: Final = {"active": "yellow", "scheduled": "cyan", "ended": "dim"}


@click.command(epilog=examples("silences", "silences --all", "silences --json | jq .reason"))
@config_option
@json_option
@click.option("--all", "all_", is_flag=True, help="Add those that ended: the last 1,000, while they are kept.")
def command(config: str | None, as_json: bool, all_: bool) -> None:
    """List the silences and maintenance windows that are in force or scheduled, and how many deliveries they keep."""
    found = _read(config, _MOST_ENDED if all_ else 0)
    if as_json:
        for silence in found:
            echo_json(msgspec.to_builtins(silence))
    elif found:
        _show(found)
    else:
        echo_error("there is no silence" if all_ else "no silence is in force or scheduled")


def _read(config: str | None, ended: int) -> list[ShownSilence]:
    database = configured_database(config)

    async def read(reader: Reader) -> list[ShownSilence]:
        await warn_without_daemon(database, reader)
        return [shown_silence(each, now()) for each in await reader.silences(ended)]

    return read_once(database, read)


def _show(silences: Sequence[ShownSilence]) -> None:
    from tracker.cli.formatting import table_layout, terminal  # noqa: PLC0415 - rich takes longer to load than the silences

    console = terminal.console()
    columns = (
        table_layout.Column("id"),
        table_layout.Column("state"),
        table_layout.Column("from", rank=3),
        table_layout.Column("until"),
        table_layout.Column("kept", right=True, rank=1),
        table_layout.Column("what", most=60, shrinks=True),
        table_layout.Column("reason", rank=2, most=60, shrinks=True),
        table_layout.Column("by", rank=4, most=20),
    )
    console.print(table_layout.table(columns, _rows(silences), console.width))


def _rows(silences: Sequence[ShownSilence]) -> Iterator[Sequence[Any]]:
    from rich.text import Text  # noqa: PLC0415 - as above

    for each in silences:
        yield (
            plain(each.id),
            Text(each.state, style=_COLORS[each.state]),
            quantities.moment(each.starts_at),
            quantities.moment(each.ended_at or each.ends_at),
            f"{each.silenced:,}",
            plain(each.scope.words()),
            plain(each.reason),
            plain(each.created_by),
        )
