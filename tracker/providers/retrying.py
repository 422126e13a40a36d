"""Owns asking again: a Provider that makes a request a few times where that may help, and never against the API's wish."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from tracker.core.deliveries.retry_schedule import backoff
from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.ports.provider import ListQuery, Provider
from tracker.runtime.heartbeat import Heartbeat

T = TypeVar("T")


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """So many attempts, the first wait and the longest (seconds). If the API asks for a longer one, it is not asked again.

    A sweep of many pages would hardly ever be whole if one bad answer ended it; one that waited long would hold up the rest.
    """

    attempts: int = 3
    first: float = 0.5
    longest: float = 5.0


USUAL: Final = Patience()


class Patient:
    """The Provider `provider`, asked again where its failure may pass."""

    def __init__(
        self, provider: Provider, jitter: Callable[[], float], patience: Patience = USUAL, heartbeat: Heartbeat | None = None
    ) -> None:
        """`jitter` gives a number from 0 to 1; `heartbeat` is of the loop that asks."""
        self._heartbeat = heartbeat or Heartbeat()
        self._provider = provider
        self._jitter = jitter
        self._patience = patience

    async def list_jobs(self, query: ListQuery, page: int, page_size: int) -> Page | Failure:
        return await self._persist(lambda: self._provider.list_jobs(query, page, page_size))

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        return await self._persist(lambda: self._provider.get_job(job_id))

    async def _persist(self, call: Callable[[], Awaitable[T | Failure]]) -> T | Failure:
        attempt = 1
        while True:
            answer = await call()
            if not isinstance(answer, Failure) or not answer.passing or attempt == self._patience.attempts:
                return answer
            wait = self._wait(answer, attempt)
            if wait > self._patience.longest:
                return answer
            await self._heartbeat.sleep(wait)
            attempt += 1

    def _wait(self, failure: Failure, attempt: int) -> float:
        if failure.retry_after is not None:
            return failure.retry_after
        return backoff(self._patience.first, attempt, self._patience.longest, self._jitter())
