"""Owns /api/jobs/{id}/results and /api/jobs/{id}/files/{kind}: the outcome of archiving, and the content of the files."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tracker.core.results.no_results_reason import EXPLANATIONS, no_results_reason
from tracker.core.results.result_file import FileKind
from tracker.web.api.download_limit import DownloadLimit
from tracker.web.api.file_response import MEDIA_TYPE, Conditions, file_response, stored_file
from tracker.web.api.jobs import JobPath, JobQuery, find_job
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.endpoint import Endpoint, Inputs, ResponseSpec, Schema, json_response
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import JobId

SOON: Final = "30"
"""Seconds after which a client may retry a request for a file that is not archived yet."""


class FilePath(msgspec.Struct, frozen=True):
    """The job's whole id, and which of its files."""

    id: JobId
    kind: Annotated[FileKind, Meta(description="The output file, or the error file")]


def endpoints(daemon: Daemon) -> list[Endpoint]:
    limit = DownloadLimit()

    async def results(path: JobPath, query: JobQuery) -> Response:
        _, found = await _find(daemon, path.id, query)
        return json_response(found)

    async def file(path: FilePath, query: JobQuery, wanted: Conditions) -> Response:
        job, found = await _find(daemon, path.id, query)
        archived = archived_file(job, found, path.kind)
        return file_response(stored_file(job["id"], archived, daemon.archived_content), wanted, limit)

    content: Schema = {"type": "string"}
    whole = ResponseSpec(content, "The content, as the API gave it; `ETag` is its SHA-256", MEDIA_TYPE)
    others = {
        206: ResponseSpec(content, "The wanted range of it", MEDIA_TYPE),
        304: ResponseSpec(None, "The client has it already"),
    }
    inputs: Inputs = {"path": FilePath, "query": JobQuery, "header": Conditions}
    return [
        Endpoint(
            "GET",
            "/api/jobs/{id:path}/results",
            "results",
            results,
            ResponseSpec(RESULTS, "The outcome of archiving its result files"),
            {"path": JobPath, "query": JobQuery},
            (404, 409),
            always_needs_token=True,
        ),
        Endpoint(
            "GET",
            "/api/jobs/{id:path}/files/{kind}",
            "file",
            file,
            whole,
            inputs,
            (404, 409, 410, 416),
            others,
            always_needs_token=True,
        ),
    ]


def archived_file(job: Mapping[str, Any], results: Mapping[str, Any], kind: FileKind) -> dict[str, Any]:
    """The archived file of that kind. Raises `Refusal` with the reason if there is none."""
    file = next((each for each in results["files"] if each["kind"] == kind), None)
    if file is not None:
        if results["expired_at"]:
            raise Refusal(410, f"the {kind} file was kept until {results['expired_at']}, as `results.keep` says")
        return dict(file)
    missing = next((each for each in results["missing"] if each["kind"] == kind), None)
    if missing is not None:
        detail = f"the {kind} file is not archived ({missing['reason'].replace('_', ' ')}): {missing['detail']}"
        raise Refusal(410 if missing["reason"] == "gone" else 404, detail)
    if results["task"] and job.get(f"{kind}_file"):
        raise Refusal(409, f"the {kind} file is not archived yet", {"retry-after": SOON})
    raise Refusal(404, f"the job has no {kind} file")


def _why_without_results(daemon: Daemon, job: Mapping[str, Any]) -> str:
    """Why `job` has neither results nor an archive task."""
    archives_account = job["account"] in [each.name for each in daemon.config.archived_accounts()]
    archiving = bool(daemon.config.results.archive)
    return EXPLANATIONS[no_results_reason(job, archiving=archiving, archives_account=archives_account)]


async def _find(daemon: Daemon, job_id: str, query: JobQuery) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The job and the outcome of its result files. Raises `Refusal`."""
    async with daemon.reader() as reader:
        job = await find_job(reader, job_id, query.account)
        found = await reader.results(job["account"], job["id"])
    if found is None:
        raise Refusal(404, f"there are no results: {_why_without_results(daemon, job)}")
    return job, found


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_TASK: Final[Schema] = {
    "type": "object",
    "description": "That something is still to be archived: since when, when it is tried next, and why it failed so far",
    "properties": {
        "created_at": _TIME,
        "due_at": _TIME,
        "attempts": {"type": "integer", "minimum": 0, "description": "Those that failed"},
        "reason": {"type": ["string", "null"]},
        "detail": {"type": ["string", "null"]},
    },
    "required": ["created_at", "due_at", "attempts", "reason", "detail"],
    "additionalProperties": False,
}
_PROPERTIES: Final[Schema] = {
    "account": {"type": "string"},
    "job": {"type": "string", "description": "Its id"},
    "state": {
        "enum": ["pending", "archived", "partial", "gone", "forbidden", "too_large", "failed"],
        "description": "`pending`: nothing is archived yet. `archived`: every file is in the archive; `partial`: one of two "
        "is. Else none is, and this is why the first one is not",
    },
    "archived_at": _or_null(_TIME),
    "expired_at": {**_or_null(_TIME), "description": "When the files were removed from the archive"},
    "files": {"type": "array", "items": _ref("ArchivedFile")},
    "missing": {"type": "array", "items": _ref("MissingFile")},
    "digest": _or_null(_ref("Digest")),
    "usage": _or_null(_ref("Usage")),
    "cost": _or_null(_ref("Cost")),
    "task": _or_null(_TASK),
}
RESULTS: Final[Schema] = {
    "type": "object",
    "properties": _PROPERTIES,
    "required": [*_PROPERTIES],
    "additionalProperties": False,
}
