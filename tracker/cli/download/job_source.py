"""Owns finding the job whose files are downloaded: in the log, where it is known, else at the API."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import anyio

from tracker.cli.arguments.daemon_notice import has_daemon
from tracker.cli.arguments.job_lookup import WHOLE_ID, UnknownJobError, find_job
from tracker.cli.download.api_access import ApiAccess
from tracker.cli.download.errors import refused
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.errors.storage_error import StorageError
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import read_job, time_of
from tracker.core.jobs.status import is_terminal
from tracker.core.reconciliation.incomplete_success import cannot_be_complete
from tracker.daemon.database_address import configured_database
from tracker.runtime.clock import now
from tracker.store.opening import open_reader

JobData = Mapping[str, Any]
"""The JSON of a job, with its `account`."""

SETTLE_SECONDS: Final = 15.0
"""Seconds that the files of a job that has only just ended are waited for; the default of `settle_for`."""

RECHECK_SECONDS: Final = 2.0
RECENT_SECONDS: Final = 60.0
"""Seconds after its end in which a job may lack what it will have; the API's clock may differ."""

_NO_SUCH_JOB = (Reason.NOT_FOUND, Reason.REJECTED)
"""The API rejects an ID that is not a UUID, and does not search for it."""


async def job_to_download(config: str | None, given: str, account: str | None, apis: ApiAccess) -> JobData:
    """The job as it is now. The API is asked where the log lacks it, or has it as active while no daemon watches.

    Raises `CommandError` and `ConfigError`.
    """
    job, is_watched = await _job_in_log(config, given, account)
    if job and (is_terminal(job["status"]) or job["deleted"] or is_watched):
        return job
    if job:
        return await _job_at_api(job["id"], [job["account"]], apis) or job
    found = (
        await _job_at_api(given, apis.accounts() if account is None else [account], apis) if len(given) >= WHOLE_ID else None
    )
    if found is None:
        raise UnknownJobError(given, account)
    return found


async def settled(job: JobData, apis: ApiAccess) -> JobData:
    """The job once it names its files: an API may show the success of a job that has only just ended before these.

    A job of the log is settled, as the daemon has waited for that.
    """
    until = anyio.current_time() + SETTLE_SECONDS
    while "seq" not in job and _lacks_files(job) and anyio.current_time() < until:
        await anyio.sleep(RECHECK_SECONDS)
        job = await _job_at_api(job["id"], [job["account"]], apis) or job
    return job


def _lacks_files(job: JobData) -> bool:
    read, ended_at = read_job(job), time_of(job, "completed_at")
    is_recent = ended_at is not None and now() / 1000 - ended_at < RECENT_SECONDS
    return is_recent and isinstance(read, Job) and cannot_be_complete(read)


async def _job_in_log(config: str | None, given: str, account: str | None) -> tuple[JobData | None, bool]:
    """The job as the log has it, and whether a daemon keeps it up to date."""
    database = configured_database(config)
    with suppress(StorageError, UnknownJobError):
        async with open_reader(database) as reader:
            return await find_job(reader, given, account), await has_daemon(database, reader)
    return None, False


async def _job_at_api(job_id: str, accounts: list[str], apis: ApiAccess) -> JobData | None:
    """The job of the first account that has it. Raises `DownloadError` if one does not answer, and none has it."""
    failed: list[tuple[str, Failure]] = []
    for account in accounts:
        answer = await (await apis.provider(account)).get_job(job_id)
        if isinstance(answer, Job):
            return {**answer.to_data(), "account": account}
        failure = answer if isinstance(answer, Failure) else Failure(Reason.MALFORMED, answer.reason)
        if failure.reason not in _NO_SUCH_JOB:
            failed.append((account, failure))
    if failed:
        raise refused(f"job {job_id}", *failed[0])
    return None
