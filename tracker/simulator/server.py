"""Owns the simulated API as an ASGI application: routes, parameters, keys, and answers spoilt to order."""

from collections import Counter
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.server.embedded import without_server_headers
from tracker.simulator.fault_injection import Silence, json_answer, page_of, refusal, spoilt, without_a_status
from tracker.simulator.faults import LIES, REFUSALS, SILENCES, Faults
from tracker.simulator.job_timeline import Plan, answer_at, outputs
from tracker.simulator.population import Population
from tracker.simulator.request_validation import Invalid, parse_listing, parse_submission
from tracker.simulator.workspace import Workspace

JOBS: Final = "/v1/batch/jobs"
STALE_BY: Final = 5.0
"""Seconds that a stale answer is behind at most."""

LAG: Final = 3.0
"""Seconds that a replica's answer is behind."""

Handler = Callable[[Request, str | None, float], Awaitable[Response]]
"""What is answered to a request, with a lie or without one, at a moment."""


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
        """`clock` gives the API's Unix seconds; `population` draws what becomes of created jobs; no key means any will do."""
        self.workspace = workspace
        self.faults = faults or Faults()
        self.requests: Counter[str] = Counter()
        self.faulted: Counter[str] = Counter()
        self.clock = clock
        self._population = population or Population(0)
        self._api_keys = api_keys
        self._began: float | None = None  # the moment of the first request
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
            at = self.clock()
            response = await self._answer(call, handler, request, at)
            without_server_headers(request.receive)
            response.headers["date"] = formatdate(at, usegmt=True)
            return response

        return answer

    async def _answer(self, call: str, handler: Handler, request: Request, at: float) -> Response:
        if not self._is_authorised(request):
            return refusal("401", at)
        fault = self._draw(call, at)
        if fault in REFUSALS:
            return refusal(fault, at)
        if fault in SILENCES:
            return Silence(fault)
        try:
            honest = await handler(request, fault, at)
        except Invalid as invalid:
            return json_answer({"detail": invalid.details}, 422)
        return spoilt(honest, fault) if fault in LIES else honest

    def _draw(self, call: str, at: float) -> str | None:
        self._began = at if self._began is None else self._began
        fault = self.faults.draw(reading=call in ("list", "get"), after=at - self._began)
        self.faulted.update([fault] if fault else [])
        return fault

    def _is_authorised(self, request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and (key in self._api_keys if self._api_keys else key != "")

    def _moment(self, lie: str | None, at: float) -> float:
        if lie == "lagging":
            return at - LAG
        return at - (self.faults.random.uniform(0, STALE_BY) if lie == "stale" else 0.0)

    async def _list(self, request: Request, lie: str | None, at: float) -> Response:
        query, page, page_size = parse_listing(request.query_params)
        at = self._moment(lie, at)
        shown, total = page_of(self.workspace.matching(query, at), page, page_size, lie, self.faults.random)
        if (poisoned := self._poisoned("list", shown)) is not None:
            return poisoned
        data = [answer_at(plan, at) for plan in shown]
        if lie == "bad-job":
            without_a_status(data, self.faults.random)
        return json_answer({"object": "list", "total": total, "data": data})

    async def _get(self, request: Request, lie: str | None, at: float) -> Response:
        shown_at = self._moment(lie, at)
        job = None if lie in ("vanish", "no-jobs") else self.workspace.get(request.path_params["id"], shown_at)
        if job is None:
            return refusal("404", at)
        plan = self.workspace.plans[job.id]
        if (poisoned := self._poisoned("get", [plan])) is not None:
            return poisoned
        data = answer_at(plan, shown_at)
        if request.query_params.get("inline", "").lower() in ("true", "1"):
            data["outputs"] = outputs(plan, job)
        return json_answer(data | {"status": None} if lie == "bad-job" else data)

    def _poisoned(self, call: str, shown: list[Plan]) -> Response | None:
        """What is answered in place of these, if one of them cannot be shown."""
        poison = next((plan.poison for plan in shown if call in plan.poisoned), None)
        if poison is None:
            return None
        self.faulted["poisoned"] += 1
        return json_answer({"object": "batch"}) if poison == "no-id" else refusal(poison, 0.0)

    async def _create(self, request: Request, _lie: str | None, at: float) -> Response:
        submission = parse_submission(await request.body())
        plan = self._population.plan(at, submission.end, **submission.properties(self._population.speed))
        self.workspace.add(plan)
        return json_answer(answer_at(plan, plan.created))

    async def _cancel(self, request: Request, _lie: str | None, at: float) -> Response:
        job = self.workspace.cancel(request.path_params["id"], at)
        return json_answer(answer_at(self.workspace.plans[job.id], at)) if job else refusal("404", at)

    async def _delete(self, request: Request, _lie: str | None, at: float) -> Response:
        id_ = request.path_params["id"]
        deleted = self.workspace.delete(id_, at)
        return json_answer({"id": id_, "object": "batch", "deleted": True}) if deleted else refusal("404", at)
