"""Owns the calls of Gemini's simulated files API: a resumable upload in one part, and what is known of a file and in it."""

from collections.abc import Callable
from secrets import token_hex
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from tracker.simulator.faults.http_error_responses import json_answer
from tracker.simulator.files.file_store import Upload
from tracker.simulator.files.stored_file import StoredFile
from tracker.simulator.job_timeline import JobPlan, result_file
from tracker.simulator.request_parsing.shared_parameters import Invalid
from tracker.simulator.vendors.gemini.errors import error, refused_file
from tracker.simulator.vendors.gemini.operations import FILE, has_results, results_id, rfc3339
from tracker.simulator.vendors.ids import parsed, shown
from tracker.simulator.vendors.result_contents import ResultContents
from tracker.simulator.workspace import Workspace

KEPT_FOR: Final = 48 * 3600.0
"""Seconds for which a file is kept."""

UPLOADS: Final = "/uploads"
"""The path below which contents are uploaded."""


class FileCalls:
    """Answers each call, at a moment, with a fault or without one."""

    def __init__(self, workspace: Callable[[], Workspace], results: ResultContents) -> None:
        self._workspace = workspace
        self._results = results
        self._owners: dict[str, str] = {}  # the job of each file of results
        self._known = 0

    async def begin_upload(self, request: Request, _fault: str | None, _at: float) -> Response:
        """The beginning of an upload: the URL of its content, which needs no key."""
        url = f"{str(request.base_url).rstrip('/')}{UPLOADS}/{token_hex()}"
        return json_answer({}, headers={"x-goog-upload-url": url, "x-goog-upload-status": "active"})

    async def upload(self, request: Request, _fault: str | None, at: float) -> Response:
        if "finalize" not in request.headers.get("x-goog-upload-command", ""):
            raise Invalid(("header", "x-goog-upload-command"), None, "an upload in one part")
        upload = Upload(filename="input.jsonl", data=await request.body(), purpose="gemini")
        file = self._workspace().files_at(at).upload(upload, at)
        return json_answer({"file": uploaded(file)}, headers={"x-goog-upload-status": "final"})

    async def get(self, request: Request, _fault: str | None, at: float) -> Response:
        id_ = parsed("", request.path_params["id"])
        file = None if id_ is None else self._workspace().files_at(at).get(id_, at)
        if file is not None and file.source == "upload":
            return json_answer(uploaded(file))
        plan = self._plan(id_, at)
        if plan is None or at >= self._results.gone_at(plan):
            return refused_file(404)
        if plan.file_faults.forbidden:
            return error(403)
        return json_answer(await self._described(plan))

    async def download(self, request: Request, fault: str | None, at: float) -> Response:
        plan = self._plan(parsed("", request.path_params["id"]), at)
        return refused_file(404) if plan is None else await self._results.download(plan, fault, at)

    def _plan(self, id_: str | None, at: float) -> JobPlan | None:
        """The plan of the job whose results the file is, if it has them."""
        plans = self._workspace().plans
        if len(plans) != self._known:
            self._owners = {result_file(plan, "output"): plan.id for plan in plans.values()}
            self._known = len(plans)
        plan = plans.get(self._owners.get(id_ or "", ""))
        return plan if plan and plan.input_files and has_results(plan, at) else None

    async def _described(self, plan: JobPlan) -> dict[str, Any]:
        size, wrong = (await self._results.content(plan)).size, plan.file_faults.wrong_bytes
        return _described(results_id(plan), None if wrong is None else size + wrong, plan.ended, "GENERATED")


def uploaded(file: StoredFile) -> dict[str, Any]:
    """A file that a client uploaded."""
    return _described(shown(FILE, file.id), file.content.size, file.created, "UPLOADED")


def _described(name: str, size: int | None, created: float, source: str) -> dict[str, Any]:
    times = {"createTime": rfc3339(created), "updateTime": rfc3339(created), "expirationTime": rfc3339(created + KEPT_FOR)}
    sizes = {} if size is None else {"sizeBytes": str(size)}
    return {"name": name, "mimeType": "application/jsonl", **sizes, **times, "state": "ACTIVE", "source": source}
