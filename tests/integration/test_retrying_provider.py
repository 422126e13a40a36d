"""Asking again: how often, after how long, and when not; in simulated time."""

import anyio
import pytest
from moving_api import new_job
from simulated_time import SimulatedTime

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import MalformedJob, Page
from tracker.core.ports.provider import ListQuery
from tracker.providers.mistral.jobs_api import CAPABILITIES
from tracker.providers.retrying import DEFAULT_POLICY, RetryingProvider, RetryPolicy

PASSING = (Reason.SERVER, Reason.NETWORK, Reason.MALFORMED, Reason.RATE_LIMITED)
QUERY = ListQuery(statuses=("RUNNING",))
PAGE = Page((new_job("a", 1),), (), 1)
BAD = Failure(Reason.SERVER, "HTTP 503")
LIFE = 5.0
SLACK = 1e-6
"""Seconds that rounding may take away, or add."""


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {"loop_factory": SimulatedTime}


class Scripted:
    """A provider that gives its answers in turn, then the last one again and again, and keeps what it was asked and when."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.times = []

    capabilities = CAPABILITIES

    async def list_jobs(self, query, token, page_size):
        return self._answer((query, token, page_size))

    async def get_job(self, job_id):
        return self._answer(job_id)

    def _answer(self, asked):
        self.asked.append(asked)
        self.times.append(anyio.current_time())
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def waits(self):
        return [later - before for before, later in zip(self.times, self.times[1:], strict=False)]


async def call_with_retries(provider, policy=DEFAULT_POLICY, jitter=0.0):
    """What a list call gives in the end."""
    with anyio.fail_after(LIFE):
        return await RetryingProvider(provider, lambda: jitter, policy).list_jobs(QUERY, "3", 100)


@pytest.mark.parametrize("reason", Reason)
async def test_only_what_may_pass_is_asked_again(reason):
    """A failure that may pass is asked again as often as policy goes, any other not at all; it is returned as it was."""
    failure = Failure(reason, "as it was")
    provider = Scripted(failure)
    assert await call_with_retries(provider, RetryPolicy(attempts=4, first=0.0)) is failure
    assert provider.asked == [(QUERY, "3", 100)] * (4 if reason in PASSING else 1)


@pytest.mark.parametrize("failures", [0, 1, 2])
@pytest.mark.parametrize("answer", [PAGE, Failure(Reason.NOT_FOUND, "no such job")])
async def test_answer_ends_it(failures, answer):
    """The first answer that is none of those failures is returned, and nothing more is asked."""
    provider = Scripted(*[BAD] * failures, answer)
    assert await call_with_retries(provider, RetryPolicy(attempts=5, first=0.0)) is answer
    assert len(provider.asked) == failures + 1


async def test_last_failure_is_the_one_returned():
    """Of several failures the latest is reported."""
    last = Failure(Reason.NETWORK, "reset")
    assert await call_with_retries(Scripted(BAD, BAD, last), RetryPolicy(attempts=3, first=0.0)) is last


@pytest.mark.parametrize("answer", [new_job("a", 1), MalformedJob("a", "no status")])
async def test_job_is_asked_for_again_too(answer):
    """A get call is repeated like a list call; a job that cannot be read is an answer, which asking does not improve."""
    provider = Scripted(BAD, answer, BAD)
    with anyio.fail_after(LIFE):
        assert await RetryingProvider(provider, lambda: 0.0, RetryPolicy(first=0.0)).get_job("a") is answer
    assert provider.asked == ["a", "a"]


@pytest.mark.parametrize(("jitter", "first"), [(0.0, 0.1), (1.0, 0.2)])
async def test_waits_grow_up_to_the_longest(jitter, first):
    """Each wait is twice the one before up to the longest, half of it fixed and half by jitter."""
    provider = Scripted(BAD)
    await call_with_retries(provider, RetryPolicy(attempts=4, first=0.2, longest=0.4), jitter)
    assert provider.waits == pytest.approx([first, 2 * first, 2 * first], abs=SLACK)


async def test_wish_of_the_api_is_followed():
    """A Retry-After stands in place of our own wait, whether longer or shorter, up to the longest inclusive."""
    wishes = [Failure(Reason.RATE_LIMITED, "HTTP 429", seconds) for seconds in (0.3, 0.0, 0.4)]
    provider = Scripted(*wishes, PAGE)
    assert await call_with_retries(provider, RetryPolicy(attempts=4, first=0.4, longest=0.4), 1.0) is PAGE
    assert provider.waits == pytest.approx([0.3, 0.0, 0.4], abs=SLACK)


@pytest.mark.parametrize(
    ("wish", "policy"), [(5.001, DEFAULT_POLICY), (3600.0, DEFAULT_POLICY), (0.2, RetryPolicy(longest=0.1))]
)
async def test_wish_beyond_patience_is_returned_at_once(wish, policy):
    """A wait beyond its limit is not retried: the failure goes to the caller, which can wait."""
    failure = Failure(Reason.RATE_LIMITED, "HTTP 429", wish)
    provider = Scripted(failure, PAGE)
    assert await call_with_retries(provider, policy) is failure
    assert len(provider.asked) == 1


async def test_usual_patience_is_short():
    """By default three attempts, which wait less than the two seconds that a sweep can spare."""
    provider = Scripted(BAD)
    assert await call_with_retries(provider, jitter=1.0) is BAD
    assert provider.waits == pytest.approx([0.5, 1.0], abs=SLACK)
