"""Owns checking the names that a request's filters are given, against the configuration and the log."""

from collections.abc import Iterable, Sequence

from msgspec import UNSET, UnsetType

from tracker.core.jobs.status import FOLLOWERS
from tracker.core.ports.reader import Reader
from tracker.core.queries.name_suggestions import status_named, unknown_name, unknown_status, unknown_type
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.problem_details import Refusal


def check_types(globs: Iterable[str]) -> None:
    """Raise `Refusal` for a glob that matches no event type."""
    for glob in globs:
        _refuse("type", unknown_type(glob))


async def check_account(daemon: Daemon, reader: Reader, account: str | UnsetType) -> None:
    """Raise `Refusal` for an account that neither the configuration nor the log has."""
    known = [each.name for each in daemon.config.accounts]
    if account is not UNSET and account and account not in known:
        _refuse("account", unknown_name(account, [*known, *(await reader.names()).accounts], "an account"))


def check_provider(daemon: Daemon, provider: str | UnsetType) -> None:
    """Raise `Refusal` for a vendor that there is not."""
    if provider is not UNSET and provider:
        _refuse("provider", unknown_name(provider, daemon.vendors, "a vendor"))


async def check_receiver(daemon: Daemon, reader: Reader, receiver: str | UnsetType) -> None:
    """Raise `Refusal` for a receiver that neither the configuration nor the log has."""
    known = [each.name for each in daemon.config.receivers]
    if receiver is not UNSET and receiver and receiver not in known:
        _refuse("receiver", unknown_name(receiver, [*known, *(await reader.names()).receivers], "a receiver"))


async def statuses(reader: Reader, given: Sequence[str]) -> tuple[str, ...]:
    """The statuses that are meant, as the log writes them; raises `Refusal` for one that no job has or had."""
    if all(each in FOLLOWERS for each in given):
        return tuple(given)
    in_log = (await reader.names()).statuses
    meant = {each: status_named(each, in_log) for each in given}
    for each, status in meant.items():
        if status is None:
            _refuse("status", unknown_status(each, in_log))
    return tuple(status for status in meant.values() if status is not None)


def _refuse(parameter: str, wrong: str | None) -> None:
    if wrong:
        raise Refusal(422, f"{parameter}: {wrong}")
