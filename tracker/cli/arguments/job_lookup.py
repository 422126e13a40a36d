"""Owns the lookup of a job by its ID or the beginning of it, and the errors for no job or several."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from tracker.cli.command_errors import CommandError
from tracker.core.ports.reader import Reader
from tracker.core.text.escaping import plain

WHOLE_ID: Final = 36
"""Characters of a UUID, as Mistral's IDs are."""


class UnknownJobError(CommandError):
    """No job's ID is this, or starts with it."""

    def __init__(self, given: str, account: str | None) -> None:
        of_account = f" in account {plain(account)}" if account is not None else ""
        super().__init__(f"no job's ID starts with {plain(given)}{of_account}; `batch-tracker jobs` lists them")


class AmbiguousJobError(CommandError):
    """Several jobs' IDs start with this, or several accounts have a job of this ID."""

    status = 2

    def __init__(self, given: str, jobs: Collection[tuple[str, str]]) -> None:
        """`jobs` are accounts and IDs."""
        super().__init__(_ambiguous(given, sorted(jobs)))


class EmptyIdError(CommandError):
    """The ID is empty, which every ID begins with."""

    status = 2

    def __init__(self) -> None:
        super().__init__("an ID is empty, expected a job's ID or the beginning of one")


async def find_job(reader: Reader, given: str, account: str | None) -> dict[str, Any]:
    """The one job, of all accounts or of one. Raises `EmptyIdError`, `UnknownJobError` and `AmbiguousJobError`."""
    found = await _like(reader, given, account)
    if not found:
        raise UnknownJobError(given, account)
    if len(found) > 1:
        raise AmbiguousJobError(given, [(job["account"], job["id"]) for job in found])
    return found[0]


async def whole_id(reader: Reader, given: str, account: str | None = None) -> str:
    """The whole ID; several accounts may have such a job. A whole ID may be of a job that is logged later.

    Raises `EmptyIdError`, `UnknownJobError` and `AmbiguousJobError`.
    """
    found = await _like(reader, given, account)
    ids = {str(job["id"]) for job in found}
    if not ids and len(given) < WHOLE_ID:
        raise UnknownJobError(given, account)
    if len(ids) > 1:
        raise AmbiguousJobError(given, [(job["account"], job["id"]) for job in found])
    return next(iter(ids), given)


async def _like(reader: Reader, given: str, account: str | None) -> Sequence[dict[str, Any]]:
    if not given:
        raise EmptyIdError
    return await reader.jobs_by_prefix(given, account)


def _ambiguous(given: str, jobs: Sequence[tuple[str, str]]) -> str:
    ids, accounts = {job_id for _, job_id in jobs}, dict.fromkeys(plain(account) for account, _ in jobs)
    if len(ids) == 1:
        names = f"{', '.join(list(accounts)[:-1])} and {list(accounts)[-1]}"
        return f"the accounts {names} each have a job {plain(*ids)}; choose one with --account NAME"
    more = "give more of it, or choose one with --account NAME" if len(accounts) > 1 else "give more of it"
    lines = [f"  {plain(job_id)}  {plain(account)}" for account, job_id in jobs]
    return "\n".join([f"several jobs' IDs start with {plain(given)}; {more}:", *lines])
