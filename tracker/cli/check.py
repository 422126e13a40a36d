"""Owns `batch-tracker check`: whether the configuration is right, and with --online whether the accounts answer."""

import sys

import anyio
import click

from tracker.build import providing
from tracker.cli import text
from tracker.cli.options import config_option
from tracker.config import Account, Config, load
from tracker.core.failure import Failure
from tracker.core.job import Page
from tracker.core.ports import ListQuery


@click.command
@config_option
@click.option("--online", is_flag=True, help="Ask each account's API once.")
def command(config: str | None, online: bool) -> None:
    """Check the configuration; with --online one call per account too."""
    loaded = load(config)
    click.echo(f"{loaded.source or 'defaults and $MISTRAL_API_KEY'}: valid")
    click.echo(f"database  {loaded.storage.path}")
    click.echo(f"listen    {loaded.http.host} port {loaded.http.port}")
    click.echo("".join(f"account   {account.name} at {account.base_url}\n" for account in loaded.accounts), nl=False)
    click.echo("".join(f"receiver  {receiver.name} ({receiver.kind})\n" for receiver in loaded.receivers), nl=False)
    if online and not anyio.run(_ask_all, loaded):
        sys.exit(1)


async def _ask_all(config: Config) -> bool:
    return all([await _ask(config, account) for account in config.accounts])


async def _ask(config: Config, account: Account) -> bool:
    async with providing(account, environment_proxies=config.environment_proxies) as provider:
        answer = await provider.list_jobs(ListQuery(), page=0, page_size=1)
    click.echo(f"account   {account.name}: {_told(answer)}", err=isinstance(answer, Failure))
    return not isinstance(answer, Failure)


def _told(answer: Page | Failure) -> str:
    if isinstance(answer, Failure):
        return f"{answer.reason}: {text.plain(answer.detail)}"
    return f"answers, {'an unknown number of' if answer.total is None else answer.total} jobs"
