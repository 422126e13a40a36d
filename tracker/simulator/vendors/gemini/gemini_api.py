"""Owns Gemini's simulated API of batches: its routes, below `/v1beta` and `/v1`, and their parameters."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.core.jobs.status import FAILED, SUCCESS, TIMEOUT_EXCEEDED
from tracker.simulator.faults.http_error_responses import json_answer
from tracker.simulator.job_timeline import JobPlan
from tracker.simulator.random_job_plans import Catalog
from tracker.simulator.request_parsing.shared_parameters import Invalid, parse_number
from tracker.simulator.simulated_api import DOWNLOAD, FILE_READ, JOB_READ
from tracker.simulator.vendors.batches_api import BatchesApi
from tracker.simulator.vendors.gemini.errors import error, refused, refused_file
from tracker.simulator.vendors.gemini.file_calls import UPLOADS, FileCalls
from tracker.simulator.vendors.gemini.operations import BATCH, FILE, operation_at, rfc3339
from tracker.simulator.vendors.gemini.result_lines import result_lines
from tracker.simulator.vendors.gemini.submissions import Batch, keys_of, parse_creation
from tracker.simulator.vendors.ids import parsed, shown
from tracker.simulator.vendors.list_page import page_after
from tracker.simulator.vendors.result_contents import ResultContents
from tracker.simulator.workspace import Query

VERSIONS: Final = ("/v1beta", "/v1")
LARGEST_PAGE: Final = 1000
DEFAULT_SIZE: Final = 50
EXPIRES_AFTER: Final = 48 * 3600.0
EVENTS: Final = {SUCCESS: "batch.succeeded", FAILED: "batch.failed", TIMEOUT_EXCEEDED: "batch.expired"}
"""The types of its webhooks. There is none of a cancellation."""


class GeminiApi(BatchesApi):
    """The Gemini Developer API's batches in front of a workspace."""

    without_id: Mapping[str, Any] = {"done": False}
    error_of = staticmethod(error)
    title = "Gemini's batch and files API"
    sends_webhooks = True
    client = 'genai.Client(api_key={key}, http_options={{"base_url": {url}}})'
    catalog = Catalog(
        models=("gemini-4-flash", "gemini-4-pro"), endpoints=("generateContent",), submitted={"timeout": EXPIRES_AFTER}
    )
    possible_faults: Mapping[str, AbstractSet[str]] = {
        "list": JOB_READ,
        "get": JOB_READ,
        "files.get": FILE_READ,
        "files.content": DOWNLOAD,
    }

    public = frozenset({"files.upload"})

    def routes(self) -> Iterable[Route]:
        files = FileCalls(lambda: self.workspace, ResultContents(result_lines, refused_file, self.faulted))
        yield self.route(UPLOADS + "/{id}", "files.upload", files.upload, "POST")
        for version in VERSIONS:
            batches, paths = version + "/batches", version + "/files"
            yield self.route(version + "/models/{model}:batchGenerateContent", "create", self._create, "POST")
            yield self.route(batches, "list", self._list)
            yield self.route(batches + "/{id}", "get", self._get)
            yield self.route(batches + "/{id}", "delete", self._delete, "DELETE")
            yield self.route(batches + "/{id}:cancel", "cancel", self._cancel, "POST")
            yield self.route("/upload" + paths, "files.begin", files.begin_upload, "POST")
            yield self.route(paths + "/{id}:download", "files.content", files.download)
            yield self.route(paths + "/{id}", "files.get", files.get)

    def webhook(self, plan: JobPlan) -> dict[str, Any] | None:
        event = EVENTS.get(plan.steps[-1].status)
        about = {"version": "v1", "timestamp": rfc3339(plan.ended), "data": {"id": shown(BATCH, plan.id)}}
        return {"type": event, **about} if event else None

    def key_of(self, request: Request) -> str:
        return request.headers.get("x-goog-api-key", "")

    def refusal(self, kind: str, at: float) -> Response:
        return refused(kind, at)

    def invalid(self, error_: Invalid) -> Response:
        return error(400, str(error_))

    async def _list(self, request: Request, fault: str | None, at: float) -> Response:
        at, chance = self.moment(fault, at), self.faults.random
        plans = self.workspace.matching(Query(), at)
        size = parse_number(request.query_params, "pageSize", DEFAULT_SIZE, 1, LARGEST_PAGE)
        page = page_after(_place(request, plans), size, len(plans), fault, chance)
        token = {"nextPageToken": f"after-{plans[page.stop - 1].id}"} if page.has_more and page.stop else {}
        plans = self.plans_on(page, plans, fault)
        if (poisoned := self.poisoned("list", plans)) is not None:
            return poisoned
        data = [operation_at(plan, at, result_lines(plan)) for plan in plans]
        if fault == "bad-job" and data:
            chance.choice(data).pop("name")
        return json_answer(({"operations": data} if data else {}) | token)

    async def _get(self, request: Request, fault: str | None, at: float) -> Response:
        at = self.moment(fault, at)
        plan = self.plan_of(request, at, fault)
        if plan is None:
            return error(404)
        if (poisoned := self.poisoned("get", [plan])) is not None:
            return poisoned
        found = operation_at(plan, at, result_lines(plan))
        return json_answer({} if fault == "bad-job" else found)

    async def _create(self, request: Request, _fault: str | None, at: float) -> Response:
        batch = parse_creation(await request.body())
        properties = self._properties(batch, request.path_params["model"], at)
        plan = self.population.plan(at, batch.end, **properties)
        self.workspace.add(plan)
        return json_answer(operation_at(plan, plan.created))

    def _properties(self, batch: Batch, model: str, at: float) -> dict[str, Any]:
        """The properties of the plan that the creation decides. Raises `Invalid` where there is no such input file."""
        inlined = batch.input_config.requests
        file_id = parsed(FILE, batch.input_config.file_name or "")
        file = None if file_id is None else self.workspace.files_at(at).get(file_id, at)
        if inlined is None and file is None:
            raise Invalid(("body", "batch", "fileName"), batch.input_config.file_name, "the name of an uploaded file")
        keys = keys_of(file.content) if file else tuple(map(str, range(len(inlined.requests if inlined else ()))))
        return {
            "endpoint": "generateContent",
            "model": model,
            "metadata": {"displayName": batch.display_name},
            "input_files": (file_id,) if file else (),
            "custom_ids": keys,
            "requests": len(keys),
            "timeout": EXPIRES_AFTER / self.population.speed,
        }

    async def _cancel(self, request: Request, _fault: str | None, at: float) -> Response:
        plan = self.plan_of(request, at)
        if plan is None:
            return error(404)
        self.workspace.cancel(plan.id, at)
        return json_answer({})

    async def _delete(self, request: Request, _fault: str | None, at: float) -> Response:
        plan = self.plan_of(request, at)
        if plan is None:
            return error(404)
        self.workspace.delete(plan.id, at)
        return json_answer({})


def _place(request: Request, plans: list[JobPlan]) -> int | None:
    """The place in the list of the batch that the page token follows; None without one. Raises `Invalid` if there is none."""
    token = request.query_params.get("pageToken")
    if not token:
        return None
    found = next((place for place, plan in enumerate(plans) if token == f"after-{plan.id}"), None)
    if found is None:
        raise Invalid(("query", "pageToken"), token, "a token of an earlier page")
    return found
