"""Owns OpenAI's simulated batch API: its routes, below `/v1` and, as Azure and Groq have them, below `/openai/v1`."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.simulator.faults.fault_options import GATEWAY_FAULTS
from tracker.simulator.faults.http_error_responses import json_answer
from tracker.simulator.faults.spoiled_responses import remove_one_status
from tracker.simulator.job_timeline import JobPlan
from tracker.simulator.random_job_plans import Catalog
from tracker.simulator.request_parsing.shared_parameters import Invalid
from tracker.simulator.simulated_api import DOWNLOAD, FILE_READ, JOB_READ
from tracker.simulator.vendors.batches_api import BatchesApi
from tracker.simulator.vendors.ids import BATCH, shown
from tracker.simulator.vendors.openai.batch_objects import STATUSES, batch_at
from tracker.simulator.vendors.openai.errors import error, not_found, refused
from tracker.simulator.vendors.openai.file_calls import FileCalls
from tracker.simulator.vendors.openai.list_pages import list_object, page_of
from tracker.simulator.vendors.openai.submissions import parse_creation
from tracker.simulator.workspace import Query

LARGEST_PAGE: Final = 100
BASES: Final = ("/v1", "/openai/v1")
_IS_OVER: Final = ("completed", "failed", "expired", "cancelled")


class OpenAIApi(BatchesApi):
    """OpenAI's batch API in front of a workspace."""

    id_prefix = BATCH
    without_id: Mapping[str, Any] = {"object": "batch"}
    error_of = staticmethod(error)
    title = "OpenAI's batch and files API"
    sends_webhooks = True
    base_path = "/v1"
    client = "OpenAI(base_url={url}, api_key={key})"
    catalog = Catalog(
        models=("gpt-6-mini", "gpt-6", "text-embedding-3-large"),
        endpoints=("/v1/chat/completions", "/v1/responses", "/v1/embeddings"),
        submitted={"as_openai": True},
    )
    possible_faults: Mapping[str, AbstractSet[str]] = {
        "list": JOB_READ | {*GATEWAY_FAULTS},
        "get": JOB_READ,
        **dict.fromkeys(("files.list", "files.get"), FILE_READ),
        "files.content": DOWNLOAD,
    }

    def routes(self) -> Iterable[Route]:
        for base in BASES:
            yield from self._routes(base + "/batches", base + "/files")

    def webhook(self, plan: JobPlan) -> dict[str, Any]:
        event_id = shown("evt_", str(uuid5(NAMESPACE_OID, f"end of {plan.id}")))
        end = STATUSES[plan.steps[-1].status]
        about = {"created_at": int(plan.ended), "type": f"batch.{end}", "data": {"id": shown(BATCH, plan.id)}}
        return {"id": event_id, "object": "event", **about}

    def key_of(self, request: Request) -> str:
        """The key as OpenAI wants it, or Azure."""
        return super().key_of(request) or request.headers.get("api-key", "")

    def refusal(self, kind: str, at: float) -> Response:
        return refused(kind, at)

    def invalid(self, error_: Invalid) -> Response:
        return error(400, str(error_), error_.parameter)

    def _routes(self, batches: str, paths: str) -> Iterable[Route]:
        files = FileCalls(lambda: self.workspace, lambda: self.faults, self.faulted)
        yield self.route(batches, "list", self._list)
        yield self.route(batches, "create", self._create, "POST")
        yield self.route(batches + "/{id}", "get", self._get)
        yield self.route(batches + "/{id}/cancel", "cancel", self._cancel, "POST")
        yield self.route(paths, "files.list", files.list)
        yield self.route(paths, "files.upload", files.upload, "POST")
        yield self.route(paths + "/{id}", "files.get", files.get)
        yield self.route(paths + "/{id}", "files.delete", files.delete, "DELETE")
        yield self.route(paths + "/{id}/content", "files.content", files.content)

    async def _list(self, request: Request, fault: str | None, at: float) -> Response:
        at, chance = self.moment(fault, at), self.faults.random
        plans = self.workspace.matching(Query(), at)
        page = page_of(request.query_params, [shown(BATCH, plan.id) for plan in plans], LARGEST_PAGE, fault, chance)
        plans = self.plans_on(page, plans, fault)
        if (poisoned := self.poisoned("list", plans)) is not None:
            return poisoned
        data = [batch_at(plan, at) for plan in plans]
        if fault == "bad-job":
            remove_one_status(data, chance)
        return json_answer(list_object(data, page, fault))

    async def _get(self, request: Request, fault: str | None, at: float) -> Response:
        at = self.moment(fault, at)
        plan = self.plan_of(request, at, fault)
        if plan is None:
            return not_found("Batch", request.path_params["id"])
        if (poisoned := self.poisoned("get", [plan])) is not None:
            return poisoned
        return json_answer(batch_at(plan, at) | ({"status": None} if fault == "bad-job" else {}))

    async def _create(self, request: Request, _fault: str | None, at: float) -> Response:
        creation = parse_creation(await request.body())
        properties = creation.properties(self.population.speed, self.workspace.files_at(at), at)
        plan = self.population.plan(at, creation.end, **properties)
        self.workspace.add(plan)
        return json_answer(batch_at(plan, plan.created))

    async def _cancel(self, request: Request, _fault: str | None, at: float) -> Response:
        plan = self.plan_of(request, at)
        if plan is None:
            return not_found("Batch", request.path_params["id"])
        if (status := batch_at(plan, at)["status"]) in _IS_OVER:
            return error(409, f"Cannot cancel a batch with status '{status}'.")
        self.workspace.cancel(plan.id, at)
        return json_answer(batch_at(self.workspace.plans[plan.id], at))
