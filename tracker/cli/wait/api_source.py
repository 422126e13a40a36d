"""Owns waiting by asking the API: where no daemon watches, within the account's budget and as seldom as a sweep would."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final

from tracker.cli.arguments.job_lookup import WHOLE_ID, AmbiguousJobError
from tracker.cli.formatting import text
from tracker.cli.process.errors import CommandError
from tracker.cli.wait.state import DELETED, UNKNOWN, Awaited, Waiting
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.event import iso, outcome_of_counts
from tracker.core.jobs.job import Job, MalformedJob
from tracker.core.jobs.partial import as_tracked
from tracker.core.jobs.status import ACTIVE, SUCCESS
from tracker.core.ports.provider import ListQuery, Provider
from tracker.core.reconciliation.sweep_plan import OVERLAP, PAGE_SIZE
from tracker.runtime.clock import now

ONE_BY_ONE: Final = 3
"""Up to so many jobs are asked for one at a time; for more, lists cost less."""

MISSES: Final = 2
"""An API that never had a job is believed when it says so again."""

GONE_AFTER: Final = 60_000
"""Milliseconds for which a job that was there has to be missing: a broken gateway's 404s are no deletion."""

_NO_SUCH_JOB: Final = (Reason.NOT_FOUND, Reason.REJECTED)
"""What is no UUID is not looked for, but rejected."""

_REFUSED: Final = {
    Reason.UNAUTHORISED: "its key is refused ({detail})",
    Reason.NOT_ENABLED: "batch is not enabled ({detail})",
}


class RefusedError(CommandError):
    """Every account that could have the job refuses us; the message says why."""

    status = 2


class Api:
    """The accounts that may be asked; each look is one round of requests."""

    def __init__(self, providers: Mapping[str, Provider], waiting: Waiting) -> None:
        """`providers` by account, in the order in which they are tried."""
        self._providers = providers
        self._waiting = waiting
        self._failing: dict[str, Failure] = {}  # by account: how its last request failed

    async def look(self, wanted: Sequence[Awaited]) -> bool:
        """Look at each of these once; whether all was answered. Raises `RefusedError` and `AmbiguousJobError`."""
        shown = await self._listed(wanted) if _is_list_better(wanted) else ()
        for awaited in wanted:
            if awaited not in shown:
                await self._get(awaited)
        return not any(failure.passing for failure in self._failing.values())

    async def _listed(self, wanted: Sequence[Awaited]) -> Collection[Awaited]:
        """Those that the lists of active jobs have shown."""
        found = defaultdict[Awaited, dict[tuple[str, str], Job]](dict)
        for account, provider in self._providers.items():
            async for job in self._active(account, provider, _oldest(wanted)):
                for awaited in self._waiting.matching(job.id, account, wanted):
                    found[awaited][account, job.id] = job
        for awaited, jobs in found.items():
            if len(jobs) > 1:
                raise AmbiguousJobError(awaited.given, jobs)
            for (account, _), job in jobs.items():
                self._see(awaited, account, job)
        return found

    async def _active(self, account: str, provider: Provider, since: int | None) -> AsyncIterator[Job]:
        query, number = ListQuery(statuses=ACTIVE, created_after=since), 0
        while True:
            page = await provider.list_jobs(query, number, PAGE_SIZE)
            if isinstance(page, Failure):
                self._failed(account, page)
                return
            self._failing.pop(account, None)
            for job in page.jobs:
                yield job
            number += 1
            if len(page) < PAGE_SIZE:
                return

    async def _get(self, awaited: Awaited) -> None:
        answers = {}
        for account, provider in self._providers.items():
            if awaited.account in (None, account):
                answer = await provider.get_job(awaited.id)
                if isinstance(answer, Job):
                    self._failing.pop(account, None)
                    self._see(awaited, account, answer)
                    return
                answers[account] = answer
        self._not_found(awaited, answers)

    def _not_found(self, awaited: Awaited, answers: Mapping[str, Failure | MalformedJob]) -> None:
        failures = {account: _as_failure(answer) for account, answer in answers.items()}
        other = {account: failure for account, failure in failures.items() if failure.reason not in _NO_SUCH_JOB}
        for account, failure in other.items():
            self._failed(account, failure)
        if failures and all(failure.reason in _REFUSED for failure in failures.values()):
            raise RefusedError("\n".join(_told(account, failure) for account, failure in failures.items()))
        if any(failure.passing for failure in other.values()):
            return
        awaited.missed += 1
        missed_at = awaited.missed_at = now() if awaited.missed_at is None else awaited.missed_at
        if awaited.job and now() - missed_at >= GONE_AFTER:
            self._waiting.end(awaited, DELETED)
        elif not awaited.job and awaited.missed >= MISSES:
            self._waiting.end(awaited, UNKNOWN)

    def _failed(self, account: str, answer: Failure) -> None:
        """Tell it, once; and again when it has become another one."""
        before = self._failing.get(account)
        self._failing[account] = answer
        if before is None or before.reason is not answer.reason:
            self._waiting.view.note(_told(account, answer))

    def _see(self, awaited: Awaited, account: str, job: Job) -> None:
        seen_at = now()
        data = as_tracked(job, None, seen_at).to_data() | (awaited.job or {}) | job.to_data()
        reached = outcome_of_counts(data["total_requests"], data["succeeded_requests"]) if job.status == SUCCESS else None
        own = {"account": account, "deleted": False, "observed_at": iso(seen_at), "outcome": reached}
        self._waiting.see(awaited, data | own, seen_at)


def _is_list_better(wanted: Sequence[Awaited]) -> bool:
    return len(wanted) > ONE_BY_ONE or any(not each.job and len(each.given) < WHOLE_ID for each in wanted)


def _oldest(wanted: Sequence[Awaited]) -> int | None:
    """From which creation on a list shows all of them (Unix seconds)."""
    created: list[int] = [each.job["created_at"] for each in wanted if each.job]
    return min(created) - OVERLAP if len(created) == len(wanted) else None


def _as_failure(answer: Failure | MalformedJob) -> Failure:
    return answer if isinstance(answer, Failure) else Failure(Reason.MALFORMED, answer.reason)


def _told(account: str, failure: Failure) -> str:
    words = _REFUSED.get(failure.reason, "{reason}: {detail}; it is asked again")
    return text.plain(f"account {account}: {words.format(reason=failure.reason, detail=failure.detail)}")
