"""Owns /api/jobs: the jobs in pages, the newest or the last to end first, and each by its id."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from tracker.core.events.event import Outcome
from tracker.core.jobs.job import UnixSeconds
from tracker.core.queries.filters import JobFilter
from tracker.core.queries.pages import JobKey
from tracker.web.daemon_interface import Tracker
from tracker.web.endpoints import name_checks
from tracker.web.endpoints.endpoint import Answer, Operation, json_response, page_of, schema_of
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import Glob, Text

Cursor = Annotated[str, Meta(max_length=640, pattern=r"^[0-9]{1,12}/[^/]*/", description="`next` of the page before")]


class JobsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs, and which page of them."""

    account: Text | UnsetType = UNSET
    status: Annotated[tuple[Text, ...], Meta(max_length=16)] = ()
    active: Literal["true", "false"] | UnsetType = UNSET
    model: Glob | UnsetType = UNSET
    endpoint: Glob | UnsetType = UNSET
    job: Annotated[Text, Meta(description="What the id begins with")] = ""
    created_after: UnixSeconds | UnsetType = UNSET
    created_before: UnixSeconds | UnsetType = UNSET
    order: Annotated[
        Literal["created", "ended"], Meta(description="`ended` gives those alone that have ended, the last to end first")
    ] = "created"
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    after: Cursor | UnsetType = UNSET


class JobPath(msgspec.Struct, frozen=True):
    """The job's whole id."""

    id: Text


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose job, where several accounts have one of that id."""

    account: Text | UnsetType = UNSET


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What the tracker adds to a job: `outcome` once it succeeded; `deadline_at`, `rate` and `eta` while it is active."""

    account: str
    deleted: bool
    first_seen_at: str
    observed_at: str
    seq: Annotated[int, Meta(ge=1, description="Of its last event")]
    outcome: Outcome | None
    deadline_at: Annotated[int, Meta(description="Unix seconds")] | None
    rate: Annotated[float, Meta(description="Requests a second")] | None
    eta: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None


JOB: Final = {"allOf": [{"$ref": "#/components/schemas/BatchJob"}, {"$ref": "#/components/schemas/Added"}]}


def operations(tracker: Tracker) -> list[Operation]:
    async def jobs(asked: JobsQuery) -> Response:
        async with tracker.reader() as reader:
            await name_checks.check_account(tracker, reader, asked.account)
            which = _filter(asked, await name_checks.statuses(reader, asked.status))
            page = await reader.jobs_page(_place(asked.after), which, asked.limit)
        following = None if page.next is None else "/".join(map(str, page.next))
        return json_response({"object": "list", "data": [_shown(tracker, job) for job in page.jobs], "next": following})

    async def job(path: JobPath, asked: JobQuery) -> Response:
        async with tracker.reader() as reader:
            found = [each for each in await reader.jobs_by_id(path.id) if asked.account in (UNSET, each["account"])]
        if not found:
            raise Refusal(404, f"no job {path.id!r} is known")
        if len(found) > 1:
            accounts = ", ".join(each["account"] for each in found)
            raise Refusal(409, f"several accounts have a job {path.id!r}, expected `account`, one of {accounts}")
        return json_response(_shown(tracker, found[0]))

    page = Answer(
        page_of(JOB, schema_of(Cursor)), "A page of jobs, the newest or the last to end first; it may hold fewer than asked for"
    )
    one = Answer(JOB, "The job")
    return [
        Operation("GET", "/api/jobs", "jobs", jobs, page, {"query": JobsQuery}),
        Operation("GET", "/api/jobs/{id:path}", "job", job, one, {"path": JobPath, "query": JobQuery}, (404, 409)),
    ]


def _filter(asked: JobsQuery, statuses: Sequence[str]) -> JobFilter:
    return JobFilter(
        account=asked.account or None,
        statuses=statuses,
        active=None if asked.active is UNSET else asked.active == "true",
        model=asked.model or None,
        endpoint=asked.endpoint or None,
        prefix=asked.job,
        created_after=None if asked.created_after is UNSET else asked.created_after,
        created_before=None if asked.created_before is UNSET else asked.created_before,
        by_end=asked.order == "ended",
    )


def _place(cursor: str | UnsetType) -> JobKey | None:
    if cursor is UNSET:
        return None
    created_at, account, job_id = cursor.split("/", 2)
    return JobKey(int(created_at), account, job_id)


def _shown(tracker: Tracker, job: Mapping[str, Any]) -> dict[str, Any]:
    return {**job, **msgspec.to_builtins(tracker.outlook(job))}
