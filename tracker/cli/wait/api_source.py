"""Owns the API as the source of `wait`, if no daemon runs: within the account's budget, and as seldom as a sweep."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final

from tracker.cli.arguments.job_lookup import WHOLE_ID, AmbiguousJobError
from tracker.cli.command_errors import CommandError
from tracker.cli.wait.state import DELETED, UNKNOWN, Awaited, Waiting
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.event import iso, outcome_of_data
from tracker.core.jobs.job import Job, MalformedJob
from tracker.core.jobs.missing_fields import as_tracked
from tracker.core.jobs.status import ACTIVE, SUCCESS
from tracker.core.ports.provider import ListQuery, Provider
from tracker.core.reconciliation.sweep_plan import OVERLAP
from tracker.core.text.escaping import plain
from tracker.runtime.clock import now

MAX_SINGLE_REQUESTS: Final = 3
"""At most this many jobs are requested one at a time; for more, lists take fewer requests."""

MISSES_UNTIL_UNKNOWN: Final = 2
"""A job that was never seen is unknown after this many rounds in a row do not find it."""

GONE_AFTER_MILLISECONDS: Final = 60_000
"""A job that was seen counts as deleted after it is missing this long: a broken gateway also answers 404."""

_NO_SUCH_JOB: Final = (Reason.NOT_FOUND, Reason.REJECTED)
"""The API rejects an ID that is not a UUID, and does not search for it."""

_REFUSED: Final = {
    Reason.UNAUTHORISED: "its key is refused ({detail})",
    Reason.NOT_ENABLED: "batch is not enabled ({detail})",
}


class RefusedError(CommandError):
    """Every account that could have the job refuses the requests; the message is the reason."""

    status = 2


class ApiSource:
    """Polls the APIs of the accounts; `poll_once` is one round of requests."""

    def __init__(self, providers: Mapping[str, Provider], waiting: Waiting) -> None:
        """`providers` by account, in the order in which they are tried."""
        self._providers = providers
        self._waiting = waiting
        self._failing: dict[str, Failure] = {}  # by account: how its last request failed

    async def poll_once(self, wanted: Sequence[Awaited]) -> bool:
        """Request each job once; whether no request failed temporarily. Raises `RefusedError` and `AmbiguousJobError`."""
        shown = await self._find_in_lists(wanted) if _is_list_better(wanted) else ()
        for awaited in wanted:
            if awaited not in shown:
                await self._fetch_job(awaited)
        return not any(failure.passing for failure in self._failing.values())

    async def _find_in_lists(self, wanted: Sequence[Awaited]) -> Collection[Awaited]:
        """The awaited jobs that the lists of active jobs contain."""
        found = defaultdict[Awaited, dict[tuple[str, str], Job]](dict)
        for account, provider in self._providers.items():
            async for job in self._fetch_active_jobs(account, provider, _oldest_creation(wanted)):
                for awaited in self._waiting.matching(job.id, account, wanted):
                    found[awaited][account, job.id] = job
        for awaited, jobs in found.items():
            if len(jobs) > 1:
                raise AmbiguousJobError(awaited.given, jobs)
            for (account, _), job in jobs.items():
                self._record_job(awaited, account, job)
        return found

    async def _fetch_active_jobs(self, account: str, provider: Provider, since: int | None) -> AsyncIterator[Job]:
        query, token, seen = ListQuery(statuses=ACTIVE, created_after=since), None, set[str]()
        while token not in seen:
            seen |= {token} if token else set()
            page = await provider.list_jobs(query, token, provider.capabilities.page_size)
            if isinstance(page, Failure):
                self._record_failure(account, page)
                return
            self._failing.pop(account, None)
            for job in page.jobs:
                yield job
            if page.next_token is None or provider.capabilities.has_passed(page, query):
                return
            token = page.next_token

    async def _fetch_job(self, awaited: Awaited) -> None:
        answers = {}
        for account, provider in self._providers.items():
            if awaited.account in (None, account):
                answer = await provider.get_job(awaited.id)
                if isinstance(answer, Job):
                    self._failing.pop(account, None)
                    self._record_job(awaited, account, answer)
                    return
                answers[account] = answer
        self._record_missing(awaited, answers)

    def _record_missing(self, awaited: Awaited, answers: Mapping[str, Failure | MalformedJob]) -> None:
        failures = {account: _as_failure(answer) for account, answer in answers.items()}
        other = {account: failure for account, failure in failures.items() if failure.reason not in _NO_SUCH_JOB}
        for account, failure in other.items():
            self._record_failure(account, failure)
        if failures and all(failure.reason in _REFUSED for failure in failures.values()):
            raise RefusedError("\n".join(_describe_failure(account, failure) for account, failure in failures.items()))
        if any(failure.passing for failure in other.values()):
            return
        awaited.missed += 1
        missed_at = awaited.missed_at = now() if awaited.missed_at is None else awaited.missed_at
        if awaited.job and now() - missed_at >= GONE_AFTER_MILLISECONDS:
            self._waiting.end(awaited, DELETED)
        elif not awaited.job and awaited.missed >= MISSES_UNTIL_UNKNOWN:
            self._waiting.end(awaited, UNKNOWN)

    def _record_failure(self, account: str, answer: Failure) -> None:
        """Show a notice for a failure, and another one only when its reason changes."""
        before = self._failing.get(account)
        self._failing[account] = answer
        if before is None or before.reason is not answer.reason:
            self._waiting.view.show_notice(_describe_failure(account, answer))

    def _record_job(self, awaited: Awaited, account: str, job: Job) -> None:
        seen_at = now()
        data = as_tracked(job, None, seen_at).to_data() | (awaited.job or {}) | job.to_data()
        reached = outcome_of_data(data) if job.status == SUCCESS else None
        own = {"account": account, "deleted": False, "observed_at": iso(seen_at), "outcome": reached}
        self._waiting.record_job(awaited, data | own, seen_at)


def _is_list_better(wanted: Sequence[Awaited]) -> bool:
    return len(wanted) > MAX_SINGLE_REQUESTS or any(not each.job and len(each.given) < WHOLE_ID for each in wanted)


def _oldest_creation(wanted: Sequence[Awaited]) -> int | None:
    """The creation time (Unix seconds) from which a list contains all of them; None if one is unknown."""
    created: list[int] = [each.job["created_at"] for each in wanted if each.job]
    return min(created) - OVERLAP if len(created) == len(wanted) else None


def _as_failure(answer: Failure | MalformedJob) -> Failure:
    return answer if isinstance(answer, Failure) else Failure(Reason.MALFORMED, answer.reason)


def _describe_failure(account: str, failure: Failure) -> str:
    words = _REFUSED.get(failure.reason, "{reason}: {detail}; it is asked again")
    return plain(f"account {account}: {words.format(reason=failure.reason, detail=failure.detail)}")
