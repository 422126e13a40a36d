"""Owns what an operation of the Gemini API's `batches` is as a job.

The operation is an envelope: `metadata` is the batch, `response` or `error` how it ended. What the envelope lacks is absent in
the JSON where it has the default of its type, so an absent state is BATCH_STATE_UNSPECIFIED, and within `batchStats` an absent
count is 0; without `batchStats` the counts are unknown. Counts are written as texts.

The API does not say when a batch expires: its documentation says that it ends one which was not processed within 48 hours.
A batch whose results are not in a file has them in the operation itself; they can be megabytes, and only their size is kept.
"""

from collections.abc import Mapping
from typing import Any, Final

from tracker.core.jobs.job import Job, MalformedJob
from tracker.core.jobs.job_reading import read_job
from tracker.core.jobs.native import read_mapped_job
from tracker.core.jobs.size_limits import omitted, size_of
from tracker.core.jobs.status import (
    CANCELLATION_REQUESTED,
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCESS,
    TIMEOUT_EXCEEDED,
)
from tracker.providers.requests.rfc3339 import unix_seconds

NAME: Final = "gemini"
EXPIRES_AFTER: Final = 48 * 3600
"""Seconds."""

MAPPED: Final = frozenset({"name", "metadata", "done", "response", "error"})
"""All of the envelope: the batch in `metadata` has the time of each of its updates, and the job shows the rest."""

UNSPECIFIED: Final = "UNSPECIFIED"
_PREFIXES: Final = ("BATCH_STATE_", "JOB_STATE_")
_STATUSES: Final[Mapping[str, str]] = {
    "QUEUED": QUEUED,
    "PENDING": QUEUED,
    "RUNNING": RUNNING,
    "CANCELLING": CANCELLATION_REQUESTED,
    "SUCCEEDED": SUCCESS,
    "PARTIALLY_SUCCEEDED": SUCCESS,
    "FAILED": FAILED,
    "CANCELLED": CANCELLED,
    "EXPIRED": TIMEOUT_EXCEEDED,
}
_INLINED: Final = ("inlinedResponses", "inlinedEmbedContentResponses")
_ENDPOINTS: Final = {"GenerateContentBatch": "generateContent", "EmbedContentBatch": "embedContent"}
_CODE_CANCELLED: Final = 1
"""google.rpc.Code of an operation that was cancelled."""

_LARGEST: Final = 2**53 - 1


def read_operation(found: Any) -> Job | MalformedJob:
    """The job of an operation, decoded from JSON."""
    if not isinstance(found, dict):
        return read_job(found)
    batch, output = _object(found.get("metadata")), _output(found)
    created_at = unix_seconds(batch.get("createTime"))
    properties = {
        "id": found.get("name"),
        "object": "batch",
        "input_files": _input_files(batch),
        "endpoint": _ENDPOINTS.get(str(batch.get("@type", "")).rpartition(".")[2]),
        "model": _without_prefix(batch.get("model"), "models/"),
        "output_file": output.get("responsesFile") or None,
        "error_file": None,
        "status": _status(found, batch),
        "created_at": created_at,
        "started_at": None,
        "completed_at": unix_seconds(batch.get("endTime")),
        "metadata": {"displayName": name} if (name := batch.get("displayName")) else None,
        "errors": _errors(found),
        **_counters(batch.get("batchStats")),
        **_inlined_results(output),
    }
    expires_at = None if created_at is None else created_at + EXPIRES_AFTER
    return read_mapped_job(properties, provider=NAME, native=_without_responses(found), expires_at=expires_at)


def _status(found: Mapping[str, Any], batch: Mapping[str, Any]) -> Any:
    state = batch.get("state") or _PREFIXES[0] + UNSPECIFIED
    if not isinstance(state, str):
        return state
    plain = next((state.removeprefix(prefix) for prefix in _PREFIXES if state.startswith(prefix)), state)
    if plain == UNSPECIFIED and found.get("done") is True:
        return _end(found)
    return _STATUSES.get(plain, state)


def _end(found: Mapping[str, Any]) -> str:
    """How an operation ended whose batch has no state."""
    if not (error := found.get("error")):
        return SUCCESS
    return CANCELLED if _object(error).get("code") == _CODE_CANCELLED else FAILED


def _counters(stats: Any) -> dict[str, int]:
    """The counters; none where the counts are unknown."""
    if not isinstance(stats, dict):
        return {}
    counts = [_count(stats.get(name, 0)) for name in ("requestCount", "successfulRequestCount", "failedRequestCount")]
    if None in counts:
        return {}
    total, succeeded, failed = (count or 0 for count in counts)
    return {
        "total_requests": total,
        "completed_requests": succeeded + failed,
        "succeeded_requests": succeeded,
        "failed_requests": failed,
    }


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_LARGEST)):
        value = int(value)
    return value if type(value) is int and 0 <= value <= _LARGEST else None


def _errors(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    error = _object(found.get("error"))
    message = error.get("message") or (f"google.rpc.Code {error['code']}" if "code" in error else None)
    return [{"message": message, "count": 1}] if message else []


def _input_files(batch: Mapping[str, Any]) -> list[str]:
    name = _object(batch.get("inputConfig")).get("fileName")
    return [name] if isinstance(name, str) and name else []


def _output(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The output, which is in the batch and, once the operation is done, in its response too."""
    batch, response = _object(found.get("metadata")), _object(found.get("response"))
    return _object(batch.get("output")) or _object(response.get("output")) or response


def _inlined_results(output: Mapping[str, Any]) -> dict[str, Any]:
    """`outputs` of results that are in no file: how large they are."""
    sizes = [size_of(output[name]) for name in _INLINED if output.get(name)]
    return {"outputs": omitted(sum(sizes))} if sizes else {}


def _without_responses(found: dict[str, Any], levels: int = 3) -> dict[str, Any]:
    """The operation, with the sizes of its inlined responses and requests in their place, which are `levels` deep at most."""
    kept = dict(found)
    for name, value in found.items():
        if name in ("requests", *_INLINED) and value:
            kept[name] = omitted(size_of(value))
        elif isinstance(value, dict) and levels:
            kept[name] = _without_responses(value, levels - 1)
    return kept


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _without_prefix(value: Any, prefix: str) -> Any:
    return value.removeprefix(prefix) if isinstance(value, str) else value
