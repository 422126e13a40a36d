"""Owns /api/jobs: the jobs in pages, the newest or the last to end first, and each by its id."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from tracker.core.events.event import Outcome
from tracker.core.jobs.job import UnixSeconds
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import JobFilter
from tracker.core.queries.pagination import JobKey
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints import name_checks
from tracker.web.endpoints.endpoint import Endpoint, ResponseSpec, json_response, page_of, schema_of
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import Glob, JobId, OfAccount, Provider, Statuses, Text
from tracker.web.forecasts import with_outlook, with_outlooks

Cursor = Annotated[str, Meta(max_length=640, pattern=r"^[0-9]{1,12}/[^/]*/", description="`next` of the page before")]


Activity = Annotated[Literal["true", "false"], Meta(description="Only jobs that have not ended, or only those that have")]


class JobsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of jobs, and the page."""

    account: OfAccount | UnsetType = UNSET
    provider: Provider | UnsetType = UNSET
    status: Statuses = ()
    active: Activity | UnsetType = UNSET
    model: Glob | UnsetType = UNSET
    endpoint: Glob | UnsetType = UNSET
    job: Annotated[Text, Meta(description="The beginning of the ID")] = ""
    created_after: Annotated[UnixSeconds, Meta(description="Only jobs created after this moment")] | UnsetType = UNSET
    created_before: Annotated[UnixSeconds, Meta(description="Only jobs created before this moment")] | UnsetType = UNSET
    order: Annotated[Literal["created", "ended"], Meta(description="`ended` lists only ended jobs, the last to end first")] = (
        "created"
    )
    limit: Annotated[int, Meta(ge=1, le=500, description="The most jobs of the page")] = 100
    after: Cursor | UnsetType = UNSET


class JobPath(msgspec.Struct, frozen=True):
    """The job's whole ID."""

    id: JobId


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The account, if several have a job of that ID."""

    account: Annotated[Text, Meta(description="Which account's, if several have a job of that ID")] | UnsetType = UNSET


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon adds to a job: `outcome` once it succeeded; `deadline_at`, `rate` and `eta` while it is active."""

    account: str
    provider: Annotated[str, Meta(description="The vendor whose API has the job, such as `mistral`")]
    deleted: bool
    first_seen_at: str
    observed_at: str
    seq: Annotated[int, Meta(ge=1, description="Of its last event")]
    outcome: Outcome | None
    deadline_at: Annotated[int, Meta(description="Unix seconds")] | None
    rate: Annotated[float, Meta(description="Requests a second")] | None
    eta: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None


JOB: Final = {"allOf": [{"$ref": "#/components/schemas/BatchJob"}, {"$ref": "#/components/schemas/Added"}]}


def endpoints(daemon: Daemon) -> list[Endpoint]:
    async def jobs(query: JobsQuery) -> Response:
        async with daemon.reader() as reader:
            await name_checks.check_account(daemon, reader, query.account)
            name_checks.check_provider(daemon, query.provider)
            which = _filter(query, await name_checks.statuses(reader, query.status))
            page = await reader.jobs_page(_place(query.after), which, query.limit)
            shown = await with_outlooks(daemon, reader, page.jobs)
        following = None if page.next is None else "/".join(map(str, page.next))
        return json_response({"object": "list", "data": shown, "next": following})

    async def job(path: JobPath, query: JobQuery) -> Response:
        async with daemon.reader() as reader:
            found = await find_job(reader, path.id, query.account)
            return json_response(await with_outlook(daemon, reader, found))

    page = ResponseSpec(
        page_of(JOB, schema_of(Cursor)),
        "A page of jobs, the newest or the last to end first; it may have fewer than `limit`",
    )
    one = ResponseSpec(JOB, "The job")
    return [
        Endpoint("GET", "/api/jobs", "jobs", jobs, page, {"query": JobsQuery}),
        Endpoint("GET", "/api/jobs/{id:path}", "job", job, one, {"path": JobPath, "query": JobQuery}, (404, 409)),
    ]


async def find_job(reader: Reader, job_id: str, account: str | UnsetType) -> dict[str, Any]:
    """The job of that id, and of the account where one is given. Raises `Refusal` if there is none, or several."""
    found = [each for each in await reader.jobs_by_id(job_id) if account in (UNSET, each["account"])]
    if not found:
        raise Refusal(404, f"no job {job_id!r} is known")
    if len(found) > 1:
        accounts = ", ".join(each["account"] for each in found)
        raise Refusal(409, f"several accounts have a job {job_id!r}, expected `account`, one of {accounts}")
    return found[0]


def _filter(query: JobsQuery, statuses: Sequence[str]) -> JobFilter:
    return JobFilter(
        account=query.account or None,
        provider=query.provider or None,
        statuses=statuses,
        active=None if query.active is UNSET else query.active == "true",
        model=query.model or None,
        endpoint=query.endpoint or None,
        prefix=query.job,
        created_after=None if query.created_after is UNSET else query.created_after,
        created_before=None if query.created_before is UNSET else query.created_before,
        by_end=query.order == "ended",
    )


def _place(cursor: str | UnsetType) -> JobKey | None:
    if cursor is UNSET:
        return None
    created_at, account, job_id = cursor.split("/", 2)
    return JobKey(int(created_at), account, job_id)
