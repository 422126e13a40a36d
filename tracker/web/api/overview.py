"""Owns /api/overview: what is active by model, how jobs ended in the last 24 hours, and what needs a person."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tracker.core.events.event import iso
from tracker.core.health.attention import Concern, Kind, Severity
from tracker.core.queries.overview import HourOfEnds, ModelLoad
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.endpoint import Endpoint, ResponseSpec, json_response
from tracker.web.overview_cache import FullOverview, OverviewCache


class ActiveModel(msgspec.Struct, frozen=True, kw_only=True):
    """The active jobs of a model; `waiting_since` is when the queued job that waits longest was created."""

    model: str
    running: int
    queued: int
    waiting_since: str | None


class ActiveJobs(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs are active, and of which models those are that were `read`: of very many the oldest and the newest."""

    total: int
    read: int
    models: list[ActiveModel]


class EndedInHour(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that ended within the hour that begins then. If `counted` is false, more have ended since than are read."""

    begins_at: str
    counted: bool
    succeeded: int
    partial: int
    failed: Annotated[int, Meta(description="Also those that succeeded without any request that did")]
    expired: int
    cancelled: int


class ConcernedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job by its account and ID."""

    account: str
    id: str


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of what needs a person: how many there are, and the first 20 names or jobs."""

    kind: Kind
    severity: Severity
    count: int
    text: str
    names: list[str]
    jobs: list[ConcernedJob]


class OverviewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The overview: `hours` are the last 24, the present one last; `attention` has what needs a person, the worst first."""

    object: Literal["overview"] = "overview"
    at: str
    active: ActiveJobs
    slowest_queue: ActiveModel | None
    hours: list[EndedInHour]
    attention: list[Attention]


def endpoints(daemon: Daemon, overviews: OverviewCache) -> list[Endpoint]:
    async def overview() -> Response:
        async with daemon.reader() as reader:
            return json_response(_answer(await overviews.read(reader)))

    described = ResponseSpec(OverviewAnswer, "The overview; it may be some seconds old")
    return [Endpoint("GET", "/api/overview", "overview", overview, described)]


def _answer(overview: FullOverview) -> OverviewAnswer:
    figures, slowest = overview.figures, next(iter(overview.figures.queues), None)
    return OverviewAnswer(
        at=iso(overview.at),
        active=ActiveJobs(total=figures.active, read=figures.read, models=[_model(each) for each in figures.models]),
        slowest_queue=None if slowest is None else _model(slowest),
        hours=[_hour(each) for each in figures.hours],
        attention=[_attention(each) for each in overview.concerns],
    )


def _model(load: ModelLoad) -> ActiveModel:
    since = None if load.waiting_since is None else iso(load.waiting_since * 1000)
    return ActiveModel(model=load.model, running=load.running, queued=load.queued, waiting_since=since)


def _hour(hour: HourOfEnds) -> EndedInHour:
    return EndedInHour(**msgspec.structs.asdict(hour) | {"begins_at": iso(hour.begins_at * 1000)})


def _attention(concern: Concern) -> Attention:
    jobs = [ConcernedJob(account=account, id=id_) for account, id_ in concern.jobs]
    return Attention(**msgspec.structs.asdict(concern) | {"names": [*concern.names], "jobs": jobs})
