"""Owns the options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

from tracker.config import table


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config FILE`; given before the command's name it counts too. The command gets `config: str | None`."""
    return click.option(
        "--config",
        metavar="FILE",
        callback=lambda ctx, _, value: value if value is not None else ctx.obj,
        help="The configuration. Default: $BATCH_TRACKER_CONFIG, else /etc/batch-tracker/tracker.toml; with neither, "
        "$MISTRAL_API_KEY and the defaults.",
    )(command)


def duration(least: str, most: str) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """A callback that reads a duration such as "90s", "5m" or "2h30m" as seconds."""

    def read(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> float | None:
        try:
            return None if given is None else table.duration(least, most)(given)
        except table.Wrong as wrong:
            raise click.BadParameter(str(wrong)) from None

    return read


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
