"""Owns the calls of OpenAI's simulated files API: upload, list, get, download and deletion."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from tracker.simulator.faults.download_faults import REFUSED, download
from tracker.simulator.faults.fault_options import Faults
from tracker.simulator.faults.http_error_responses import json_answer
from tracker.simulator.files.file_store import FileQuery
from tracker.simulator.files.stored_file import StoredFile
from tracker.simulator.vendors.ids import FILE, parsed, shown
from tracker.simulator.vendors.openai.errors import error, not_found
from tracker.simulator.vendors.openai.list_pages import list_object, page_of
from tracker.simulator.vendors.openai.submissions import parse_upload
from tracker.simulator.workspace import Workspace

LARGEST_PAGE = 10_000


class FileCalls:
    """Answers each call, at a moment, with a fault or without one. `faulted` counts the faults of files that strike."""

    def __init__(self, workspace: Callable[[], Workspace], faults: Callable[[], Faults], faulted: Counter[str]) -> None:
        self._workspace = workspace
        self._faults = faults
        self._faulted = faulted

    async def upload(self, request: Request, _fault: str | None, at: float) -> Response:
        upload = parse_upload(request.headers.get("content-type", ""), await request.body())
        return json_answer(file_object(self._workspace().files_at(at).upload(upload, at)))

    async def list(self, request: Request, fault: str | None, at: float) -> Response:
        files = self._workspace().files_at(at).matching(FileQuery(purpose=request.query_params.get("purpose")), at)
        ids = [shown(FILE, file.id) for file in files]
        page = page_of(request.query_params, ids, LARGEST_PAGE, fault, self._faults().random)
        data = await to_thread.run_sync(lambda: [file_object(file) for file in files[page.start : page.stop]])
        return json_answer(list_object(data, page, fault))

    async def get(self, request: Request, _fault: str | None, at: float) -> Response:
        file = self._file(request, at)
        return file if isinstance(file, Response) else json_answer(await to_thread.run_sync(file_object, file))

    async def content(self, request: Request, fault: str | None, at: float) -> Response:
        file = self._file(request, at)
        if isinstance(file, Response):
            return file
        await to_thread.run_sync(file_object, file)  # measuring a large one takes seconds
        struck = fault or file.faults.download
        self._faulted.update([] if fault or not struck else [struck])
        return error(int(struck.removeprefix("download-"))) if struck in REFUSED else download(file.content, at, struck)

    async def delete(self, request: Request, _fault: str | None, at: float) -> Response:
        id_ = request.path_params["id"]
        file_id = parsed(FILE, id_)
        if file_id is None or not self._workspace().files_at(at).delete(file_id, at):
            return not_found("File", id_)
        return json_answer({"id": id_, "object": "file", "deleted": True})

    def _file(self, request: Request, at: float) -> StoredFile | Response:
        """The file of the path, or what is answered where it cannot be read."""
        id_ = request.path_params["id"]
        file_id = parsed(FILE, id_)
        file = None if file_id is None else self._workspace().files_at(at).get(file_id, at)
        if file is None or file.deleted:
            return not_found("File", id_)
        if file.faults.forbidden:
            self._faulted["file-forbidden"] += 1
            return error(403)
        return file


def file_object(file: StoredFile) -> dict[str, Any]:
    """The file as the API shows it; measuring a large one takes seconds."""
    data = file.to_data()
    purpose = "batch_output" if file.source == "mistral" else file.purpose
    kept = {name: data[name] for name in ("object", "bytes", "created_at", "filename", "expires_at")}
    return {"id": shown(FILE, file.id), **kept, "purpose": purpose, "status": "processed", "status_details": None}
