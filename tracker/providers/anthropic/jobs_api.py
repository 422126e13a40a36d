"""Owns Anthropic's list and get calls of message batches, and what the list can do."""

from typing import Final

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.ports.provider import Capabilities, ListQuery, Order
from tracker.http.client import Answer
from tracker.providers.anthropic.job_mapping import MAPPED, read_batch
from tracker.providers.requests.authorized_requests import AuthorizedRequests, path_segment
from tracker.providers.requests.mapped_jobs import read_object, read_page, read_requested
from tracker.providers.requests.unchanged_pages import UnchangedPages

BATCHES: Final = "/v1/messages/batches"

CAPABILITIES: Final = Capabilities(
    order=Order.NEWEST_FIRST,
    page_size=100,  # up to 1000 are allowed, but each sweep reads the first page, and most of it is over
    has_progress=False,
    mapped=MAPPED,
)


class AnthropicBatches:
    """The `Provider` of one account, which sees the workspace of its key."""

    def __init__(self, requests: AuthorizedRequests) -> None:
        self._requests = requests
        self._unchanged = UnchangedPages()
        self._url = requests.url(BATCHES)

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    async def list_jobs(self, query: ListQuery, token: str | None, page_size: int) -> Page | Failure:  # noqa: ARG002 - no filters
        params = (("limit", str(page_size)), *(() if token is None else (("after_id", token),)))
        answer = await self._requests.get("list", self._url, params)
        if isinstance(answer, Failure):
            return answer
        return self._unchanged.read((token, page_size), answer, _read_page)

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        answer = await self._requests.get("get", f"{self._url}/{path_segment(job_id)}")
        return answer if isinstance(answer, Failure) else read_requested(answer, job_id, read_batch)


def _read_page(answer: Answer) -> Page | Failure:
    found = read_object(answer)
    if isinstance(found, Failure):
        return found
    if "data" not in found:
        return Failure(Reason.MALFORMED, "expected an object with `data`, found none")
    return read_page(answer, found, "data", read_batch, found.get("last_id") if found.get("has_more") else None)
