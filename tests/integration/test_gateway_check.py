"""What `check --online` finds that a gateway lacks: counters, pages, filters."""

import msgspec
import pytest
from moving_api import lacking, new_job

from tracker.cli.gateway_check import limitations
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Page
from tracker.core.ports.provider import Capabilities

JOBS = tuple(new_job(f"job-{number}", 1_750_000_000 - number) for number in range(4))
OVER = msgspec.structs.replace(JOBS[0], status="SUCCESS")
REFUSED = Failure(Reason.REJECTED, "HTTP 400: no such parameter", status=400)


class Gateway:
    """Answers each list with the next of these."""

    def __init__(self, *answers, **capabilities):
        self.capabilities = Capabilities(**capabilities)
        self.answers = list(answers)

    async def list_jobs(self, _query, _token, _page_size):
        return self.answers.pop(0)


def page(*jobs, following=None, guessed=False):
    return Page(jobs, (), None, next_token=following, next_is_guessed=guessed)


async def found(gateway, first):
    lacks = [each async for each in limitations(gateway, first)]
    assert gateway.answers == [], "no request more, and none fewer"
    return [(each.text, each.hinders_sweeps) for each in lacks]


@pytest.mark.parametrize(
    ("gateway", "first"),
    [
        (Gateway(), page(*JOBS)),
        (Gateway(), page()),
        (Gateway(page(*JOBS[2:])), page(*JOBS[:2], following="job-1")),
        (Gateway(page(*JOBS[1:3])), page(*JOBS[:2], following="job-1")),  # one job more has come
        (Gateway(page()), page(*JOBS, following="job-3", guessed=True)),
        (Gateway(page(*JOBS), filters_statuses=True), page(OVER)),
    ],
)
async def test_api_that_lacks_nothing(gateway, first):
    """Where all is as the vendor has it there is nothing to say; a list that fits a page takes no request."""
    assert await found(gateway, first) == []


@pytest.mark.parametrize(
    ("gateway", "first", "lacks", "hinders"),
    [
        (Gateway(), page(JOBS[0], lacking(JOBS[1], "total_requests")), "1 of the 2 jobs on the page have no counters", False),
        (Gateway(), page(lacking(JOBS[1], "created_at")), "1 of the 1 jobs on the page have no creation time", False),
        (
            Gateway(page(*JOBS)),
            page(*JOBS, following="job-3", guessed=True),
            "it ignores the page token: of the list only the first 4 jobs can be read",
            False,
        ),
        (
            Gateway(page(*JOBS)),
            page(*JOBS, following="job-3"),
            "it says that there are more jobs, but ignores the page token and shows none",
            True,
        ),
        (
            Gateway(REFUSED),
            page(*JOBS, following="job-3"),
            "the second page of the list fails: rejected: HTTP 400: no such parameter",
            True,
        ),
        (
            Gateway(REFUSED, filters_statuses=True),
            page(*JOBS),
            "it refuses a list of some statuses: rejected: HTTP 400: no such parameter",
            True,
        ),
        (
            Gateway(page(*JOBS, OVER), filters_statuses=True),
            page(*JOBS),
            "it ignores the filter of statuses: a sweep takes more requests than it has to",
            False,
        ),
    ],
)
async def test_what_a_gateway_lacks(gateway, first, lacks, hinders):
    """Each lack is said in words, and whether a sweep can be complete all the same."""
    assert await found(gateway, first) == [(lacks, hinders)]
