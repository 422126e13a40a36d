"""Owns Mistral's simulated API: its routes and their parameters."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.core.jobs.status import is_terminal
from tracker.simulator.faults.http_error_responses import json_answer, refusal
from tracker.simulator.faults.spoiled_responses import page_of, remove_one_status
from tracker.simulator.file_routes import FileRoutes
from tracker.simulator.files.result_lines import outputs
from tracker.simulator.files.signed_links import LINKS
from tracker.simulator.job_timeline import JobPlan, answer_at
from tracker.simulator.request_parsing.job_requests import parse_job_listing, parse_submission
from tracker.simulator.simulated_api import DOWNLOAD, FILE_READ, JOB_READ, SimulatedApi

JOBS: Final = "/v1/batch/jobs"
FILES: Final = "/v1/files"


class Simulator(SimulatedApi):
    """Mistral's batch API in front of a workspace."""

    title = "Mistral's batch and files API"
    client = "Mistral(server_url={url}, api_key={key})"
    possible_faults: Mapping[str, AbstractSet[str]] = {
        **dict.fromkeys(("list", "get"), JOB_READ),
        **dict.fromkeys(("files.list", "files.get", "files.url"), FILE_READ),
        **dict.fromkeys(("files.content", "files.link"), DOWNLOAD),
    }
    downloads = frozenset({"files.content", "files.link"})
    public = frozenset({"files.link"})

    def routes(self) -> Iterable[Route]:
        files = FileRoutes(lambda: self.workspace, self.faulted)
        return (
            self.route(JOBS, "list", self._list),
            self.route(JOBS, "create", self._create, "POST"),
            self.route(JOBS + "/{id}", "get", self._get),
            self.route(JOBS + "/{id}", "delete", self._delete, "DELETE"),
            self.route(JOBS + "/{id}/cancel", "cancel", self._cancel, "POST"),
            self.route(FILES, "files.list", files.list),
            self.route(FILES, "files.upload", files.upload, "POST"),
            self.route(FILES + "/{id}", "files.get", files.get),
            self.route(FILES + "/{id}", "files.delete", files.delete, "DELETE"),
            self.route(FILES + "/{id}/content", "files.content", files.content),
            self.route(FILES + "/{id}/url", "files.url", files.url),
            self.route(LINKS + "/{id}", "files.link", files.link),
        )

    async def _list(self, request: Request, fault: str | None, at: float) -> Response:
        query, page, page_size = parse_job_listing(request.query_params)
        at = self.moment(fault, at)
        shown, total = page_of(self.workspace.matching(query, at), page, page_size, fault, self.faults.random)
        if (poisoned := self._poisoned("list", shown)) is not None:
            return poisoned
        data = [answer_at(plan, at) for plan in shown]
        if fault == "bad-job":
            remove_one_status(data, self.faults.random)
        return json_answer({"object": "list", "total": total, "data": data})

    async def _get(self, request: Request, fault: str | None, at: float) -> Response:
        shown_at = self.moment(fault, at)
        job = None if fault in ("vanish", "no-jobs") else self.workspace.get(request.path_params["id"], shown_at)
        if job is None:
            return refusal("404", at)
        plan = self.workspace.plans[job.id]
        if (poisoned := self._poisoned("get", [plan])) is not None:
            return poisoned
        data = answer_at(plan, shown_at)
        if request.query_params.get("inline", "").lower() in ("true", "1"):
            data["outputs"] = outputs(plan, job) if is_terminal(job.status) else None
        return json_answer(data | {"status": None} if fault == "bad-job" else data)

    def _poisoned(self, call: str, shown: list[JobPlan]) -> Response | None:
        poison = self.poison_among(call, shown)
        if poison is None:
            return None
        return json_answer({"object": "batch"}) if poison == "no-id" else refusal(poison, 0.0)

    async def _create(self, request: Request, _fault: str | None, at: float) -> Response:
        submission = parse_submission(await request.body())
        properties = submission.properties(self.population.speed, self.workspace.files_at(at).custom_ids)
        plan = self.population.plan(at, submission.end, **properties)
        self.workspace.add(plan)
        return json_answer(answer_at(plan, plan.created))

    async def _cancel(self, request: Request, _fault: str | None, at: float) -> Response:
        job = self.workspace.cancel(request.path_params["id"], at)
        return json_answer(answer_at(self.workspace.plans[job.id], at)) if job else refusal("404", at)

    async def _delete(self, request: Request, _fault: str | None, at: float) -> Response:
        id_ = request.path_params["id"]
        deleted = self.workspace.delete(id_, at)
        return json_answer({"id": id_, "object": "batch", "deleted": True}) if deleted else refusal("404", at)
