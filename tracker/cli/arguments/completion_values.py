"""Owns the values for shell completion: names of the configuration and IDs of the log; errors are silent.

A shell would execute `$(…)` and other syntax in a completed word. So only plain words are offered; other names and IDs can be
typed in quotes.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MAX_JOB_IDS: Final = 50
"""The number of IDs that are offered at most; typing more characters narrows them."""

_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ._-]", re.ASCII)


def accounts(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from tracker.config import account_names  # noqa: PLC0415 - only who completes needs it

    return _names(ctx, account_names, incomplete)


def receivers(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from tracker.config import receiver_names  # noqa: PLC0415 - as above

    return _names(ctx, receiver_names, incomplete)


def vendors(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from tracker.providers.vendor_registry import VENDORS  # noqa: PLC0415 - as above

    return _starting([*VENDORS], incomplete)


def statuses(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from tracker.core.jobs.status import FOLLOWERS  # noqa: PLC0415 - as above

    return _starting([status.lower() for status in FOLLOWERS], incomplete.lower())


def types(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from tracker.core.events.event_type_table import TYPES  # noqa: PLC0415 - as above

    return _starting(TYPES, incomplete)


def job_ids(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """The newest jobs whose ID begins so."""
    return _job_ids(ctx, incomplete, active=None)


def active_job_ids(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """The active jobs whose ID begins so; ended ones if none is active."""
    return _job_ids(ctx, incomplete, active=True) or _job_ids(ctx, incomplete, active=None)


def _job_ids(ctx: click.Context, prefix: str, *, active: bool | None) -> "list[CompletionItem]":
    import anyio  # noqa: PLC0415 - as above
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - as above

    from tracker.core.errors.config_error import ConfigError  # noqa: PLC0415 - as above
    from tracker.core.errors.storage_error import StorageError  # noqa: PLC0415 - as above
    from tracker.core.queries.filters import JobFilter  # noqa: PLC0415 - as above
    from tracker.daemon.database_address import configured_database  # noqa: PLC0415 - as above
    from tracker.store.opening import open_reader  # noqa: PLC0415 - as above

    async def read() -> Sequence[dict[str, Any]]:
        async with open_reader(configured_database(_config(ctx))) as reader:
            return (await reader.jobs_page(None, JobFilter(prefix=prefix, active=active), MAX_JOB_IDS)).jobs

    with suppress(ConfigError, StorageError, OSError):
        return [
            CompletionItem(job["id"], help=_NOT_PLAIN.sub("_", f"{job['status']} {job['model'] or ''}"))
            for job in anyio.run(read)
            if _PLAIN_WORD.fullmatch(job["id"])
        ]
    return []


def _names(ctx: click.Context, read: Callable[[str | None], Iterable[str]], incomplete: str) -> "list[CompletionItem]":
    from tracker.core.errors.config_error import ConfigError  # noqa: PLC0415 - as above

    with suppress(ConfigError, OSError):
        return _starting(read(_config(ctx)), incomplete)
    return []


def _starting(words: Iterable[str], incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - as above

    return [CompletionItem(word) for word in words if word.startswith(incomplete) and _PLAIN_WORD.fullmatch(word)]


def _config(ctx: click.Context) -> str | None:
    """The `--config` on the command line so far, before or after the command."""
    given = ctx.params.get("config")
    outer = ctx.parent.params.get("config") if ctx.parent else None
    return given if given is not None else outer
