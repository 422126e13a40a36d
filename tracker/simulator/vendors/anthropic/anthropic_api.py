"""Owns Anthropic's simulated API of message batches: its routes and their parameters."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.simulator.faults.http_error_responses import json_answer
from tracker.simulator.random_job_plans import Catalog
from tracker.simulator.request_parsing.shared_parameters import Invalid, parse_number
from tracker.simulator.simulated_api import DOWNLOAD, JOB_READ
from tracker.simulator.vendors.anthropic.batch_objects import BATCH, batch_at
from tracker.simulator.vendors.anthropic.errors import error, refused
from tracker.simulator.vendors.anthropic.result_lines import result_lines
from tracker.simulator.vendors.anthropic.submissions import parse_creation
from tracker.simulator.vendors.batches_api import BatchesApi
from tracker.simulator.vendors.ids import shown
from tracker.simulator.vendors.list_page import ListPage, page_after
from tracker.simulator.vendors.result_contents import ResultContents
from tracker.simulator.workspace import Query

BATCHES: Final = "/v1/messages/batches"
LARGEST_PAGE: Final = 1000
DEFAULT_LIMIT: Final = 20


class AnthropicApi(BatchesApi):
    """Anthropic's Message Batches API in front of a workspace."""

    id_prefix = BATCH
    without_id: Mapping[str, Any] = {"type": "message_batch"}
    error_of = staticmethod(error)
    title = "Anthropic's Message Batches API"
    client = "Anthropic(base_url={url}, api_key={key})"
    catalog = Catalog(models=("claude-haiku-6", "claude-sonnet-6", "claude-opus-6"), endpoints=("/v1/messages",))
    possible_faults: Mapping[str, AbstractSet[str]] = {"list": JOB_READ, "get": JOB_READ, "results": DOWNLOAD}
    downloads = frozenset({"results"})

    def routes(self) -> Iterable[Route]:
        self._results = ResultContents(result_lines, error, self.faulted)
        yield self.route(BATCHES, "list", self._list)
        yield self.route(BATCHES, "create", self._create, "POST")
        yield self.route(BATCHES + "/{id}", "get", self._get)
        yield self.route(BATCHES + "/{id}", "delete", self._delete, "DELETE")
        yield self.route(BATCHES + "/{id}/cancel", "cancel", self._cancel, "POST")
        yield self.route(BATCHES + "/{id}/results", "results", self._read_results)

    def key_of(self, request: Request) -> str:
        """The key, in either header, of a request that names the version of the API."""
        key = request.headers.get("x-api-key") or super().key_of(request)
        return key if request.headers.get("anthropic-version") else ""

    def refusal(self, kind: str, at: float) -> Response:
        return refused(kind, at)

    def invalid(self, error_: Invalid) -> Response:
        return error(400, str(error_))

    async def _list(self, request: Request, fault: str | None, at: float) -> Response:
        at, chance = self.moment(fault, at), self.faults.random
        plans = self.workspace.matching(Query(), at)
        page = self._page(request, [shown(BATCH, plan.id) for plan in plans], fault)
        plans = self.plans_on(page, plans, fault)
        if (poisoned := self.poisoned("list", plans)) is not None:
            return poisoned
        data = [batch_at(plan, at, str(request.base_url)) for plan in plans]
        if fault == "bad-job" and data:
            chance.choice(data)["processing_status"] = None
        ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        return json_answer({"data": data, "has_more": page.has_more, **ends})

    def _page(self, request: Request, ids: list[str], fault: str | None) -> ListPage:
        """The page that `after_id` or `before_id` asks for. Raises `Invalid` for one that leads nowhere."""
        given = request.query_params
        limit = parse_number(given, "limit", DEFAULT_LIMIT, 1, LARGEST_PAGE)
        after, before = given.get("after_id"), given.get("before_id")
        for name, id_ in (("after_id", after), ("before_id", before)):
            if id_ is not None and id_ not in ids:
                raise Invalid(("query", name), id_, "the ID of a batch of the list")
        if before is not None:
            stop = ids.index(before)
            return ListPage(max(0, stop - limit), stop, len(ids) if stop > limit else stop)
        return page_after(None if after is None else ids.index(after), limit, len(ids), fault, self.faults.random)

    async def _get(self, request: Request, fault: str | None, at: float) -> Response:
        at = self.moment(fault, at)
        plan = self.plan_of(request, at, fault)
        if plan is None:
            return _not_found(request)
        if (poisoned := self.poisoned("get", [plan])) is not None:
            return poisoned
        found = batch_at(plan, at, str(request.base_url))
        return json_answer(found | ({"processing_status": None} if fault == "bad-job" else {}))

    async def _create(self, request: Request, _fault: str | None, at: float) -> Response:
        creation = parse_creation(await request.body())
        plan = self.population.plan(at, creation.end, **creation.properties(self.population.speed))
        self.workspace.add(plan)
        return json_answer(batch_at(plan, plan.created, str(request.base_url)))

    async def _cancel(self, request: Request, _fault: str | None, at: float) -> Response:
        plan = self.plan_of(request, at)
        if plan is None:
            return _not_found(request)
        if at >= plan.ended:
            return error(400, "Batch has already ended and cannot be canceled.")
        self.workspace.cancel(plan.id, at)
        return json_answer(batch_at(self.workspace.plans[plan.id], at, str(request.base_url)))

    async def _delete(self, request: Request, _fault: str | None, at: float) -> Response:
        plan = self.plan_of(request, at)
        if plan is None:
            return _not_found(request)
        if at < plan.ended:
            return error(400, "Batch cannot be deleted while it is being processed.")
        self.workspace.delete(plan.id, at)
        return json_answer({"id": shown(BATCH, plan.id), "type": "message_batch_deleted"})

    async def _read_results(self, request: Request, fault: str | None, at: float) -> Response:
        plan = self.plan_of(request, at)
        if plan is None or batch_at(plan, at, "/")["results_url"] is None:
            return _not_found(request)
        return await self._results.download(plan, fault, at)


def _not_found(request: Request) -> Response:
    return error(404, f"Batch {request.path_params['id']} not found.")
