"""Owns the checks of names in a command's filters, against the configuration and the log."""

from collections.abc import Sequence

import click

from tracker.config import account_names, receiver_names
from tracker.core.jobs.status import FOLLOWERS
from tracker.core.ports.reader import Reader
from tracker.core.queries.name_suggestions import status_named, unknown_name, unknown_status, unknown_type


def types(_ctx: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """A callback for globs over event types, each of which must match a type."""
    for glob in given:
        if wrong := unknown_type(glob):
            raise click.BadParameter(wrong)
    return given


def provider(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    """A callback for the name of a vendor."""
    if given is None:
        return None
    from tracker.providers.vendor_registry import VENDORS  # noqa: PLC0415 - loads the HTTP client, which few commands need

    if wrong := unknown_name(given, VENDORS, "a vendor"):
        raise click.BadParameter(wrong)
    return given


async def check_account(reader: Reader, config: str | None, account: str | None) -> None:
    """Raise `BadParameter` for an account that neither the configuration nor the log has."""
    if account is not None and account not in (known := account_names(config)):
        _refuse("--account", unknown_name(account, [*known, *(await reader.names()).accounts], "an account"))


async def check_receiver(reader: Reader, config: str | None, receiver: str | None) -> None:
    """Raise `BadParameter` for a receiver that neither the configuration nor the log has."""
    if receiver is not None and receiver not in (known := receiver_names(config)):
        _refuse("--receiver", unknown_name(receiver, [*known, *(await reader.names()).receivers], "a receiver"))


async def statuses(reader: Reader, given: Sequence[str]) -> tuple[str, ...]:
    """The statuses that `given` means, as the log writes them; raises `BadParameter` for one that no job has or had."""
    if all(each.upper() in FOLLOWERS for each in given):
        return tuple(each.upper() for each in given)
    in_log = (await reader.names()).statuses
    meant = {each: status_named(each, in_log) for each in given}
    for each, status in meant.items():
        if status is None:
            _refuse("--status", unknown_status(each, in_log))
    return tuple(status for status in meant.values() if status is not None)


def _refuse(option: str, wrong: str | None) -> None:
    if wrong:
        raise click.BadParameter(wrong, param_hint=f"'{option}'")
