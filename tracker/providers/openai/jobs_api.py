"""Owns OpenAI's batches API: its list and get calls as pages and jobs, and what the list call can do.

A page leads to the next one by the ID of its last batch. Where a gateway's page lacks `has_more` (Groq), a full one may have
another behind it, and one with more than was requested is the whole list, as is a bare JSON list (Together); a long one is
read in parts, for one request. llm-d's gateway wants the number of entries before a page in place of an ID, which it says. A
list that is in another order than the newest first is read to its end; a gateway's is, until it shows that it is in this order.
"""

from itertools import accumulate
from typing import Any, Final

import msgspec

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Job, Malformed, MalformedJob, Page, PartialJob
from tracker.core.jobs.job_reading import decode
from tracker.core.ports.provider import Capabilities, ListQuery, Order
from tracker.http.client import Answer
from tracker.providers.openai.job_mapping import MAPPED, read_batch
from tracker.providers.requests.authorized_requests import AuthorizedRequests, path_segment
from tracker.providers.requests.mapped_jobs import read_page, read_requested
from tracker.providers.requests.unchanged_pages import UnchangedPages
from tracker.providers.requests.unpaginated_lists import UnpaginatedLists

CAPABILITIES: Final = Capabilities(order=Order.NEWEST_FIRST, page_size=100, mapped=MAPPED)

ANOTHER_ORDER: Final = msgspec.structs.replace(CAPABILITIES, order=Order.UNKNOWN)
"""Of a list that turned out to be in another order, until its head is read again."""

BASE_URL: Final = "https://api.openai.com"

OUT_OF_ORDER: Final = 60
"""Seconds by which a batch of OpenAI's has to be newer than one before it, so that its list is taken for another order."""

JITTER: Final = 5
"""The same of a gateway's: batches that are created together may change places. A page that shows the order falls by more."""

SHOWN_BY: Final = 5
"""Different creation times on a page: with this number a gateway's list has shown its order."""


_REFUSES_AFTER: Final = (400, 422)
_INTEGER: Final = "integer"
"""In what llm-d's gateway says of an ID as `after`: it takes a number of entries in its place."""


class OpenAIBatches:
    """The `Provider` of one account."""

    def __init__(self, requests: AuthorizedRequests) -> None:
        self._requests = requests
        self._unchanged = UnchangedPages()
        self._unpaginated = UnpaginatedLists()
        self._takes_places = False  # whether `after` is a number of entries
        self._places: dict[str, int] = {}  # how many entries come before the page of a token
        self._url = requests.url("/v1/batches")
        self._is_openai = self._url.startswith(BASE_URL)
        self._is_out_of_order = False
        self._capabilities = CAPABILITIES

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def list_jobs(self, query: ListQuery, token: str | None, page_size: int) -> Page | Failure:
        answer = self._unpaginated.take(token) or await self._request_list(token, page_size)
        if isinstance(answer, Failure):
            return answer
        page = self._unchanged.read((token, page_size), answer, lambda answer: _read_page(answer, page_size))
        if token is None:
            self._capabilities = CAPABILITIES if self._is_openai else ANOTHER_ORDER
            self._is_out_of_order = False
        if isinstance(page, Page):
            self._accept(page, token, query)
        return page

    def _accept(self, page: Page, token: str | None, query: ListQuery) -> None:
        """Learn from a page what the list is like."""
        times = _creations(page)
        rise = max((at - oldest for oldest, at in zip(accumulate(times, min), times[1:], strict=False)), default=0)
        self._is_out_of_order |= rise > (OUT_OF_ORDER if self._is_openai else JITTER)
        if self._is_out_of_order:
            self._capabilities = ANOTHER_ORDER
        elif len({*times}) >= SHOWN_BY and times[0] - times[-1] > JITTER:
            self._capabilities = CAPABILITIES
        if self._capabilities.has_passed(page, query):
            self._unpaginated.clear()
        if page.next_token is not None:
            self._places = self._places if token else {}
            self._places[page.next_token] = self._places.get(token or "", 0) + len(page)

    async def _request_list(self, token: str | None, page_size: int) -> Answer | Failure:
        answer = await self._request_page(self._after(token), page_size)
        if isinstance(answer, Failure) and token is not None and answer.status in _REFUSES_AFTER:
            self._takes_places = not self._takes_places and _INTEGER in answer.detail.lower()
            answer = await self._request_page(self._after(token), page_size) if self._takes_places else answer
        return answer if isinstance(answer, Failure) else self._unpaginated.first_part(answer)

    def _after(self, token: str | None) -> str | None:
        """What leads to the page: the ID of the entry before it or, at a gateway that wants that, how many these are."""
        return str(self._places[token]) if token in self._places and self._takes_places else token

    async def _request_page(self, after: str | None, page_size: int) -> Answer | Failure:
        return await self._requests.get("list", self._url, (("limit", str(page_size)), *((("after", after),) if after else ())))

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        answer = await self._requests.get("get", f"{self._url}/{path_segment(job_id)}")
        return answer if isinstance(answer, Failure) else read_requested(answer, job_id, read_batch)


def _read_page(answer: Answer, page_size: int) -> Page | Failure:
    found = decode(answer.body)
    if isinstance(found, Malformed):
        return Failure(Reason.MALFORMED, found.reason)
    listed = {"data": found, "has_more": False} if isinstance(found, list) else found
    if not isinstance(listed, dict) or not listed.keys() & {"data", "has_more"}:
        return Failure(Reason.MALFORMED, f"expected a list, or an object with one as `data`, found {found!r:.60}")
    page = read_page(answer, listed, "data", read_batch, _next_token(listed, page_size))
    if isinstance(page, Failure) or page.next_token is None or isinstance(listed.get("has_more"), bool):
        return page
    return msgspec.structs.replace(page, next_is_guessed=True)


def _next_token(listed: dict[str, Any], page_size: int) -> Any:
    """The last ID, where there are more entries or, if the API does not say, may be more."""
    data, has_more = listed.get("data"), listed.get("has_more")
    entries = [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
    if not (has_more if isinstance(has_more, bool) else len(entries) == page_size):
        return None
    return listed.get("last_id") or next((each["id"] for each in reversed(entries) if each.get("id")), None)


def _creations(page: Page) -> list[int]:
    """When the batches of a page were created, of those that say it."""
    return [job.created_at for job in page.jobs if not isinstance(job, PartialJob) or "created_at" not in job.absent]
