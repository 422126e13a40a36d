"""Owns retries: a Provider that repeats a request where that may help, and never earlier than the API asks for."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from tracker.core.deliveries.retry_schedule import backoff
from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.ports.provider import Capabilities, ListQuery, Provider
from tracker.runtime.heartbeat import Heartbeat

T = TypeVar("T")


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The number of attempts, and the first and the longest delay (seconds).

    A request is not repeated if the API asks for a longer delay. Without retries one bad answer would end a sweep of many
    pages; with long ones it would delay everything else.
    """

    attempts: int = 3
    first: float = 0.5
    longest: float = 5.0


DEFAULT_POLICY: Final = RetryPolicy()


class RetryingProvider:
    """The Provider `provider`, whose requests are repeated where their failure may pass."""

    def __init__(
        self,
        provider: Provider,
        jitter: Callable[[], float],
        policy: RetryPolicy = DEFAULT_POLICY,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """`jitter` gives a number from 0 to 1; `heartbeat` is that of the loop that calls."""
        self._heartbeat = heartbeat or Heartbeat()
        self._provider = provider
        self._jitter = jitter
        self._policy = policy

    @property
    def capabilities(self) -> Capabilities:
        return self._provider.capabilities

    async def list_jobs(self, query: ListQuery, token: str | None, page_size: int) -> Page | Failure:
        return await self._retry(lambda: self._provider.list_jobs(query, token, page_size))

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        return await self._retry(lambda: self._provider.get_job(job_id))

    async def _retry(self, call: Callable[[], Awaitable[T | Failure]]) -> T | Failure:
        attempt = 1
        while True:
            answer = await call()
            if not isinstance(answer, Failure) or not answer.passing or attempt == self._policy.attempts:
                return answer
            delay = self._delay(answer, attempt)
            if delay > self._policy.longest:
                return answer
            await self._heartbeat.sleep(delay)
            attempt += 1

    def _delay(self, failure: Failure, attempt: int) -> float:
        if failure.retry_after is not None:
            return failure.retry_after
        return backoff(self._policy.first, attempt, self._policy.longest, self._jitter())
