"""Owns `batch-tracker check`: whether the configuration is right, and with --online whether the accounts answer."""

import sys
from collections import Counter
from pathlib import Path
from typing import Final

import anyio
import click

from tracker.cli.arguments.options import config_option, examples
from tracker.cli.database_check import check_postgres, find_orphans, is_watched
from tracker.cli.gateway_check import limitations
from tracker.cli.log_growth import expected_growth
from tracker.config import Account, Config
from tracker.config.key_and_token_length import refuse_short_keys
from tracker.config.loading import raise_mistakes
from tracker.config.warnings.plausibility_warnings import implausible_settings
from tracker.config.warnings.security_warnings import security_warnings
from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import Page
from tracker.core.ports.provider import ListQuery
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database, database_address
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.provider_factory import open_provider
from tracker.daemon.load_configuration import load
from tracker.delivery.notifiers.templates.trial import failing_templates
from tracker.http.client import tls_context
from tracker.providers.vendor_registry import VENDORS
from tracker.runtime.clock import now
from tracker.store.address import describe

SHOWN_UNREADABLE: Final = 3
"""Jobs whose mistakes are shown."""


@click.command(epilog=examples("check --online", "check --running"))
@config_option
@click.option("--online", is_flag=True, help="Send a request to the API of each account, and connect to PostgreSQL.")
@click.option("--running", is_flag=True, help="Check only that a daemon has the database and answers.")
def command(config: str | None, online: bool, running: bool) -> None:
    """Check the configuration, and warn of insecure settings; with --online also send one request per account.

    A template of messages is tried on a sample of each event type that its receiver gets.

    Where `base_url` is not the vendor's own it sends up to two more: a gateway may lack pages or filters, which it says.

    With --online it connects to PostgreSQL, too, if the database is one: it checks the server's version, the schema, the rights
    of the user, and whether notifications arrive. It changes nothing.

    If the database exists, it also says how many bytes a day its log may grow by, and warns of deliveries and jobs of receivers
    and accounts that the configuration lacks.

    With --running it only checks that the daemon lives, at whatever address it listens; on PostgreSQL, that the replica of this
    name does. This needs no secret but a database URL, and suits a container's health check.
    """
    if running:
        sys.exit(not anyio.run(is_watched, configured_database(config)))
    loaded = refuse_short_keys(load(config))
    raise_mistakes(loaded, [*failing_templates(loaded, now())])
    click.echo(f"{loaded.source or 'defaults and $MISTRAL_API_KEY'}: valid")
    click.echo(f"database  {describe(database_address(loaded.storage))}")
    click.echo("".join(f"listen    {each.host} port {each.port}\n" for each in loaded.http.listen), nl=False)
    for account in loaded.accounts:
        click.echo(f"account   {account.name} ({account.provider}) at {account.base_url}")
    if loaded.results.archive:
        archived = ", ".join(account.name for account in loaded.archived_accounts())
        click.echo(f"results   {loaded.results.archive} of {archived or 'no account'}")
    for receiver in loaded.receivers:
        click.echo(f"receiver  {receiver.name} ({receiver.kind}{f': {receiver.service}' if receiver.service else ''})")
    if loaded.telemetry.traces:
        click.echo(f"traces    to {loaded.telemetry.endpoint}")
    for growth in anyio.run(_growth, loaded):
        click.echo(f"log       {plain(growth)}")
    for warning in (*implausible_settings(loaded), *map(str, security_warnings(loaded)), *anyio.run(_orphans, loaded)):
        click.echo(f"warning   {plain(warning)}", err=True)
    if online and not anyio.run(_check_online, loaded):
        sys.exit(1)


async def _growth(config: Config) -> list[str]:
    """The expected growth of an existing file: without --online no server is asked."""
    database = database_address(config.storage)
    return await expected_growth(config, database) if isinstance(database, Path) and database.exists() else []


async def _orphans(config: Config) -> list[str]:
    """The orphans in an existing file: without --online no server is asked."""
    database = database_address(config.storage)
    return await find_orphans(config, database) if isinstance(database, Path) and database.exists() else []


async def _check_online(config: Config) -> bool:
    database = database_address(config.storage)
    is_usable = isinstance(database, Path) or await check_postgres(config, database)
    return await _check_accounts(config) and is_usable


async def _check_accounts(config: Config) -> bool:
    return all([await _check_account(config, account) for account in config.accounts])


async def _check_account(config: Config, account: Account) -> bool:
    """Request a page of jobs; returns whether that succeeded, all of them can be read, and sweeps can be complete."""
    async with open_provider(account, Network(tls_context(), config.proxies)) as provider:
        answer = await provider.list_jobs(ListQuery(), token=None, page_size=provider.capabilities.page_size)
        went_well = isinstance(answer, Page) and not answer.malformed
        click.echo(f"account   {account.name}: {plain(_describe_answer(answer))}", err=not went_well)
        if isinstance(answer, Page) and account.base_url != VENDORS[account.provider].base_url:
            async for each in limitations(provider, answer):
                click.echo(f"account   {account.name}: {plain(each.text)}", err=True)
                went_well = went_well and not each.hinders_sweeps
    return went_well


def _describe_answer(answer: Page | Failure) -> str:
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
    return f"; {len(page.malformed)} of the {len(page)} on the page cannot be read and are not watched: {'; '.join(shown)}"
