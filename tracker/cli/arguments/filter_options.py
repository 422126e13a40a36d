"""Owns the options that narrow a list of jobs, or of what happened to them, by vendor and status."""

from collections.abc import Callable
from typing import Any

import click

from tracker.cli.arguments import name_checks
from tracker.cli.arguments.completion_values import statuses, vendors


def provider_option(shown: str) -> Callable[..., Any]:
    """`--provider NAME`, for a command that lists what is `shown`; the command gets `provider: str | None`."""
    return click.option(
        "--provider",
        metavar="NAME",
        shell_complete=vendors,
        callback=name_checks.provider,
        help=f"Show only {shown} of this vendor, such as 'mistral'.",
    )


def status_option(shown: str) -> Callable[..., Any]:
    """`--status STATUS`, which may be given several times; the command gets `statuses: tuple[str, ...]`."""
    return click.option(
        "--status",
        "statuses",
        multiple=True,
        metavar="STATUS",
        shell_complete=statuses,
        help=f"Show only {shown} in this status; may be given several times.",
    )
