"""Owns the options that several commands share."""

from collections.abc import Callable
from typing import Any

import click


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config FILE`; given before the command's name it counts too. The command gets `config: str | None`."""
    return click.option(
        "--config",
        metavar="FILE",
        callback=lambda ctx, _, value: value if value is not None else ctx.obj,
        help="The configuration. Default: $BATCH_TRACKER_CONFIG, else /etc/batch-tracker/tracker.toml; with neither, "
        "$MISTRAL_API_KEY and the defaults.",
    )(command)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
