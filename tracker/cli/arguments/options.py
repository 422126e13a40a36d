"""Owns the options that several commands share."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from tracker.runtime.clock import now


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config FILE`, which may also be before the command's name. The command gets `config: str | None`."""
    return click.option(
        "--config",
        metavar="FILE",
        type=click.Path(),
        callback=lambda ctx, _, value: value if value is not None else ctx.obj,
        help="Read this configuration. Default: $BATCH_TRACKER_CONFIG, else /etc/batch-tracker/tracker.toml; with neither, "
        "$MISTRAL_API_KEY and the defaults.",
    )(command)


def examples(*lines: str) -> str:
    """The epilog of a command's help: examples, one per line, not wrapped.

    A docstring cannot have click's mark for that: Python's linters want it raw, and then click prints it.
    """
    return "\n".join(["\b", "Examples:", *(f"  batch-tracker {line}" for line in lines)])


def duration(least: str, most: str) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """A callback that reads a duration such as "90s", "5m" or "2h30m" as seconds."""

    def read(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> float | None:
        from tracker.config.toml import toml_table  # noqa: PLC0415 - only who gives one needs it

        try:
            return None if given is None else toml_table.duration(least, most)(given)
        except toml_table.InvalidValue as wrong:
            raise click.BadParameter(str(wrong)) from None

    return read


def moment(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> int | None:
    """A callback that reads a time as Unix milliseconds: ISO 8601, without an offset by this machine's clock, or an age."""
    if given is None:
        return None
    try:
        return round(datetime.fromisoformat(given).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return _ago(given)


def _ago(given: str) -> int:
    from tracker.config.toml import toml_table  # noqa: PLC0415 - as above

    try:
        return now() - round(toml_table.duration("0s", "3650d")(given) * 1000)
    except toml_table.InvalidValue:
        raise click.BadParameter(
            f"found {given!r}, expected a time, such as 2025-06-25T16:20:10+02:00, or how long ago, such as 2h or 7d"
        ) from None


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
