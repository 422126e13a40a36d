"""Owns Mistral's jobs API: its list and get calls as pages and jobs, and what the list call can do."""

from typing import Final

import msgspec

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.event import iso
from tracker.core.jobs.job import Job, Malformed, MalformedJob, Page
from tracker.core.jobs.job_reading import parse_job, parse_page
from tracker.core.jobs.new_properties import NewProperties
from tracker.core.ports.provider import Capabilities, ListQuery, Order
from tracker.http.client import Answer
from tracker.providers.requests.authorized_requests import AuthorizedRequests, path_segment
from tracker.providers.requests.unchanged_pages import UnchangedPages

CAPABILITIES: Final = Capabilities(
    order=Order.OLDEST_FIRST,  # with order_by=created; the API's own default is the newest first
    page_size=100,  # the default; the maximum is undocumented
    numbered_pages=True,
    filters_creation=True,
    filters_statuses=True,
    announces_total=True,
)


class Mistral:
    """The `Provider` of one account."""

    def __init__(self, requests: AuthorizedRequests) -> None:
        self._requests = requests
        self._jobs_url = self._requests.url("/v1/batch/jobs")
        self._unchanged = UnchangedPages()
        self._new_properties = NewProperties()

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    async def list_jobs(self, query: ListQuery, token: str | None, page_size: int) -> Page | Failure:
        number = int(token or 0)
        params = [("page", str(number)), ("page_size", str(page_size)), ("order_by", "created")]
        if query.created_after is not None:
            params.append(("created_after", iso(query.created_after * 1000)))
        params += [("status", status) for status in query.statuses]
        answer = await self._requests.get("list", self._jobs_url, tuple(params))
        if isinstance(answer, Failure):
            return answer
        place = (query.statuses, number, page_size)
        return self._unchanged.read(place, answer, self._read_page, lambda page: _with_next(page, number, page_size))

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        answer = await self._requests.get("get", f"{self._jobs_url}/{path_segment(job_id)}")
        if isinstance(answer, Failure):
            return answer
        job = parse_job(answer.body)
        if isinstance(job, MalformedJob) and job.id is None:
            return Failure(Reason.MALFORMED, job.reason)
        if job.id != job_id:
            return Failure(Reason.MALFORMED, f"requested job {job_id}, received {job.id!r:.60}")
        return job

    def _read_page(self, answer: Answer) -> Page | Failure:
        parsed = parse_page(answer.body, self._new_properties)
        return Failure(Reason.MALFORMED, parsed.reason) if isinstance(parsed, Malformed) else parsed


def _with_next(page: Page, number: int, page_size: int) -> Page:
    """Page `number`, with the token of the page behind it."""
    return msgspec.structs.replace(page, next_token=str(number + 1) if _has_more(page, number, page_size) else None)


def _has_more(page: Page, number: int, page_size: int) -> bool:
    """Whether there is a page behind page `number`, as far as it says."""
    return len(page) >= page_size if page.total is None else 0 < len(page) < page.total - number * page_size
