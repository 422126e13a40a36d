"""Owns the Gemini API's list and get calls of batches, and what the list can do."""

from typing import Final

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.ports.provider import Capabilities, ListQuery
from tracker.http.client import Answer
from tracker.providers.gemini.job_mapping import MAPPED, read_operation
from tracker.providers.requests.authorized_requests import AuthorizedRequests, is_too_large, path_segment
from tracker.providers.requests.mapped_jobs import read_object, read_page, read_requested
from tracker.providers.requests.unchanged_pages import UnchangedPages

VERSION: Final = "/v1beta"
BATCHES: Final = "batches/"

CAPABILITIES: Final = Capabilities(mapped=MAPPED)
"""The order of the list is not documented, and its filter is refused: it is read to its end."""

_BATCH: Final = (
    "name,model,displayName,state,createTime,updateTime,endTime,batchStats,inputConfig/fileName,output/responsesFile"
)
_WITHOUT_RESULTS: Final = f"name,done,error,metadata({_BATCH})"
"""An operation but for results that are inlined, as Google's parameter `fields` has it."""

_INLINED_ARE_LARGE: Final = (
    "batches whose results are inlined can be that large: send large ones as a file, and delete these once they are read"
)


def resource_path(name: str, collection: str) -> str | None:
    """The path of the resource `name`, such as "batches/abc" of the `collection` "batches/"; None if it is none of these."""
    id_ = name.removeprefix(collection)
    return f"{VERSION}/{collection}{path_segment(id_)}" if id_ and id_ != name and "/" not in id_ else None


def not_found(example: str, name: str) -> Failure:
    """What the API would answer to a name that cannot be one."""
    return Failure(Reason.NOT_FOUND, f"expected a name such as {example}, found {name!r:.60}", status=404)


class GeminiBatches:
    """The `Provider` of one account, which sees what its key may see."""

    def __init__(self, requests: AuthorizedRequests) -> None:
        self._requests = requests
        self._unchanged = UnchangedPages()
        self._is_lean = False  # whether lists are asked for without results
        self._url = requests.url(f"{VERSION}/batches")

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    async def list_jobs(self, query: ListQuery, token: str | None, page_size: int) -> Page | Failure:  # noqa: ARG002 - no filters
        params = (("pageSize", str(page_size)), *(() if token is None else (("pageToken", token),)))
        lean = f"nextPageToken,operations({_WITHOUT_RESULTS})"
        answer = await self._request("list", self._url, lean, *params, *((("fields", lean),) if self._is_lean else ()))
        if isinstance(answer, Failure):
            return answer
        return self._unchanged.read((token, page_size), answer, _read_page)

    async def _request(self, call: str, url: str, lean: str, *params: tuple[str, str]) -> Answer | Failure:
        """The answer or, where it is too large, that to a second request of what `lean` names; from then on lists are lean."""
        answer = await self._requests.get(call, url, params)
        if not isinstance(answer, Failure) or not is_too_large(answer):
            return answer
        leaner = await self._requests.get(call, url, (*params, ("fields", lean)))
        if isinstance(leaner, Failure):
            return Failure(Reason.MALFORMED, f"{answer.detail}; {_INLINED_ARE_LARGE}")
        self._is_lean = True
        return leaner

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        path = resource_path(job_id, BATCHES)
        if path is None:
            return Failure(
                Reason.NOT_FOUND, f"expected the name of a batch, such as batches/abc, found {job_id!r:.60}", None, 404
            )
        answer = await self._request("get", self._requests.url(path), _WITHOUT_RESULTS)
        return answer if isinstance(answer, Failure) else read_requested(answer, job_id, read_operation)


def _read_page(answer: Answer) -> Page | Failure:
    found = read_object(answer)
    if isinstance(found, Failure):
        return found
    if found and not found.keys() & {"operations", "nextPageToken"}:  # an empty list is an empty object
        return Failure(Reason.MALFORMED, "expected an object with `operations`, found another one")
    return read_page(answer, found, "operations", read_operation, found.get("nextPageToken"))
