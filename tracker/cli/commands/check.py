"""Owns `batch-tracker check`: whether the configuration is right, and with --online whether the accounts answer."""

import sys
from collections import Counter
from pathlib import Path
from typing import Final

import anyio
import click

from tracker.cli.arguments.options import config_option, examples
from tracker.config import Account, Config, database_path
from tracker.config.api_key_strength import refuse_short_keys
from tracker.config.plausibility import implausible_settings
from tracker.config.security_warnings import security_warnings
from tracker.core.errors.provider_failure import Failure
from tracker.core.errors.storage_error import StorageError
from tracker.core.jobs.job import Page
from tracker.core.ports.provider import ListQuery
from tracker.core.reconciliation.sweep_plan import PAGE_SIZE
from tracker.core.text.escaping import plain
from tracker.daemon.configuration import load
from tracker.daemon.control import is_running
from tracker.daemon.factory import Network, open_provider
from tracker.http.client import http_client, tls_context
from tracker.store.opening import open_reader

SHOWN_UNREADABLE: Final = 3
"""Jobs whose mistakes are shown."""


@click.command(epilog=examples("check --online", "check --running"))
@config_option
@click.option("--online", is_flag=True, help="Send one request to the API of each account.")
@click.option("--running", is_flag=True, help="Check only that a daemon has the database and answers.")
def command(config: str | None, online: bool, running: bool) -> None:
    """Check the configuration, and warn of what is insecure about it; with --online one call per account too.

    A database that exists is read: deliveries and jobs of receivers and accounts that the configuration lacks are warned of.

    With --running nothing is checked but that the daemon lives, wherever it listens; this needs no secret. For a container's
    health check.
    """
    if running:
        _check_running(database_path(config))
        return
    loaded = refuse_short_keys(load(config))
    click.echo(f"{loaded.source or 'defaults and $MISTRAL_API_KEY'}: valid")
    click.echo(f"database  {loaded.storage.path}")
    click.echo("".join(f"listen    {each.host} port {each.port}\n" for each in loaded.http.listen), nl=False)
    click.echo("".join(f"account   {account.name} at {account.base_url}\n" for account in loaded.accounts), nl=False)
    click.echo("".join(f"receiver  {receiver.name} ({receiver.kind})\n" for receiver in loaded.receivers), nl=False)
    for warning in (*implausible_settings(loaded), *map(str, security_warnings(loaded)), *anyio.run(_left_behind, loaded)):
        click.echo(f"warning   {plain(warning)}", err=True)
    if online and not anyio.run(_ask_all, loaded):
        sys.exit(1)


def _check_running(database: Path) -> None:
    if not anyio.run(_is_running, database):
        click.echo(f"{database}: no daemon answers for it", err=True)
        sys.exit(1)
    click.echo(f"{database}: its daemon is running")


async def _is_running(database: Path) -> bool:
    async with http_client(tls_context()) as http:
        return await is_running(database, http)


async def _left_behind(config: Config) -> list[str]:
    """What an existing database has of receivers and accounts that the configuration lacks."""
    if not config.storage.path.exists():
        return []
    try:
        async with open_reader(config.storage.path) as reader:
            orphans = await reader.orphans([each.name for each in config.receivers], [each.name for each in config.accounts])
    except StorageError as error:
        return [str(error)]
    return [*orphans.sentences()]


async def _ask_all(config: Config) -> bool:
    return all([await _ask(config, account) for account in config.accounts])


async def _ask(config: Config, account: Account) -> bool:
    """Ask for a page of jobs, as many as one call gives; whether they came and all of them can be read."""
    async with open_provider(account, Network(tls_context(), config.proxies)) as provider:
        answer = await provider.list_jobs(ListQuery(), page=0, page_size=PAGE_SIZE)
    went_well = isinstance(answer, Page) and not answer.malformed
    click.echo(f"account   {account.name}: {plain(_told(answer))}", err=not went_well)
    return went_well


def _told(answer: Page | Failure) -> str:
    if isinstance(answer, Failure):
        return f"{answer.reason}: {answer.detail}"
    count = "an unknown number of" if answer.total is None else str(answer.total)
    return f"answers, {count} jobs" + (_unreadable(answer) if answer.malformed else "")


def _without_id(count: int) -> str:
    return "one without an id" if count == 1 else f"{count} without an id"


def _unreadable(page: Page) -> str:
    """How many jobs of the page cannot be read, and why the first of them cannot."""
    alike = Counter((job.id, job.reason) for job in page.malformed)
    counted = alike.most_common(SHOWN_UNREADABLE)
    shown = [f"{id_ or _without_id(count)}: {reason}" for (id_, reason), count in counted]
    more = len(page.malformed) - sum(count for _, count in counted)
    if more:
        shown.append(f"and {more} more")
    return f"; {len(page.malformed)} of the {len(page)} asked for cannot be read and are not watched: {'; '.join(shown)}"
