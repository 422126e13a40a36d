"""Owns the simulated API as an ASGI application: routes, parameters, keys, and answers spoilt to order."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.simulator.faults import LIES, REFUSALS, SILENCES, Faults
from tracker.simulator.parameters import Invalid, parse_listing, parse_submission
from tracker.simulator.population import Population
from tracker.simulator.spoiling import Silence, json_answer, page_of, refusal, spoilt, without_a_status
from tracker.simulator.workspace import Workspace
from tracker.simulator.world import job_at, outputs

JOBS: Final = "/v1/batch/jobs"
STALE_BY: Final = 5.0
"""Seconds that a stale answer is behind at most."""

Handler = Callable[[Request, str | None], Awaitable[Response]]


class Simulator:
    """Mistral's batch API in front of a workspace. `app` serves it; `requests` counts them by call, `faulted` by fault."""

    def __init__(
        self,
        workspace: Workspace,
        clock: Callable[[], float],
        *,
        population: Population | None = None,
        api_keys: tuple[str, ...] = (),
        faults: Faults | None = None,
    ) -> None:
        """`clock` gives Unix seconds; `population` draws what becomes of created jobs; no key means that any will do."""
        self.workspace = workspace
        self.faults = faults or Faults()
        self.requests: Counter[str] = Counter()
        self.faulted: Counter[str] = Counter()
        self.clock = clock
        self._population = population or Population(0)
        self._api_keys = api_keys
        self.app = Starlette(
            routes=[
                Route(JOBS, self._answering("list", self._list), methods=["GET"]),
                Route(JOBS, self._answering("create", self._create), methods=["POST"]),
                Route(JOBS + "/{id}", self._answering("get", self._get), methods=["GET"]),
                Route(JOBS + "/{id}", self._answering("delete", self._delete), methods=["DELETE"]),
                Route(JOBS + "/{id}/cancel", self._answering("cancel", self._cancel), methods=["POST"]),
            ]
        )

    def _answering(self, call: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            self.requests[call] += 1
            if not self._is_authorised(request):
                return refusal("401", self.clock())
            fault = self.faults.draw(reading=call in ("list", "get"))
            self.faulted.update([fault] if fault else [])
            if fault in REFUSALS:
                return refusal(fault, self.clock())
            if fault in SILENCES:
                return Silence(fault)
            try:
                honest = await handler(request, fault)
            except Invalid as invalid:
                return json_answer({"detail": invalid.details}, 422)
            return spoilt(honest, fault) if fault in LIES else honest

        return answer

    def _is_authorised(self, request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and (key in self._api_keys if self._api_keys else key != "")

    def _moment(self, lie: str | None) -> float:
        return self.clock() - (self.faults.random.uniform(0, STALE_BY) if lie == "stale" else 0.0)

    async def _list(self, request: Request, lie: str | None) -> Response:
        query, page, page_size = parse_listing(request.query_params)
        at = self._moment(lie)
        shown, total = page_of(self.workspace.matching(query, at), page, page_size, lie, self.faults.random)
        data = [job_at(plan, at).to_data() for plan in shown]
        if lie == "bad-job":
            without_a_status(data, self.faults.random)
        return json_answer({"object": "list", "total": total, "data": data})

    async def _get(self, request: Request, lie: str | None) -> Response:
        at = self._moment(lie)
        job = None if lie == "vanish" else self.workspace.get(request.path_params["id"], at)
        if job is None:
            return refusal("404", self.clock())
        data = job.to_data()
        if request.query_params.get("inline", "").lower() in ("true", "1"):
            data["outputs"] = outputs(self.workspace.plans[job.id], job)
        return json_answer(data | {"status": None} if lie == "bad-job" else data)

    async def _create(self, request: Request, _lie: str | None) -> Response:
        submission = parse_submission(await request.body())
        plan = self._population.plan(self.clock(), submission.end, **submission.properties(self._population.speed))
        self.workspace.add(plan)
        return json_answer(job_at(plan, plan.created).to_data())

    async def _cancel(self, request: Request, _lie: str | None) -> Response:
        job = self.workspace.cancel(request.path_params["id"], self.clock())
        return json_answer(job.to_data()) if job else refusal("404", self.clock())

    async def _delete(self, request: Request, _lie: str | None) -> Response:
        id_ = request.path_params["id"]
        deleted = self.workspace.delete(id_, self.clock())
        return json_answer({"id": id_, "object": "batch", "deleted": True}) if deleted else refusal("404", self.clock())
