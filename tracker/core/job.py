"""Owns the Job: a BatchJob as last observed, and how one is read from what the API sends.

Reading has two speeds. A page in the shape we know is decoded in one pass into `Job`s. Anything else (an unknown
property, a value of another type, text that is not quite JSON) is read again one job at a time: what a tracker can do
without is kept as it came, and a job that lacks what it cannot do without becomes a `MalformedJob`, which costs only
itself.
"""

import json
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Meta

Counter = Annotated[int, Meta(ge=0, le=2**53 - 1)]
UnixSeconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # to the end of the year 9999, as far as ISO 8601 goes

COUNTERS: Final = ("total_requests", "completed_requests", "succeeded_requests", "failed_requests")
_OTHER: Final = "(other)"


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sixteen properties of Mistral's BatchJob schema, three more that are sent today, and whatever else came.

    Timestamps are whole Unix seconds. `None` is null or absent. `extra` holds unknown properties, and known optional
    ones whose value was not of their type, as they came.
    """

    id: Annotated[str, Meta(min_length=1, max_length=256)]
    object: str | None = "batch"
    input_files: tuple[str, ...] | None = None
    endpoint: str | None = None
    model: str | None = None
    output_file: str | None = None
    error_file: str | None = None
    status: Annotated[str, Meta(min_length=1, max_length=256)]
    created_at: UnixSeconds
    started_at: UnixSeconds | None = None
    completed_at: UnixSeconds | None = None
    metadata: dict[str, Any] | None = None
    total_requests: Counter
    completed_requests: Counter
    succeeded_requests: Counter
    failed_requests: Counter
    agent_id: Any = UNSET
    errors: Any = UNSET
    outputs: Any = UNSET
    extra: dict[str, Any] = msgspec.field(default_factory=dict, name=_OTHER)

    def to_data(self) -> dict[str, Any]:
        """The job as JSON values, in the schema's order: every property of the schema, and the others as they came."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        extra: dict[str, Any] = data.pop(_OTHER)
        return data | extra


class MalformedJob(msgspec.Struct, frozen=True):
    """A job that could not be read: its id where it has one, and what was found where, against what was expected."""

    id: str | None
    reason: str


class Page(msgspec.Struct, frozen=True):
    """One page of the list call. `total` counts the jobs on all pages of the query; None where the API did not say."""

    jobs: tuple[Job, ...]
    malformed: tuple[MalformedJob, ...]
    total: int | None

    def __len__(self) -> int:
        return len(self.jobs) + len(self.malformed)


class Malformed(msgspec.Struct, frozen=True):
    """A whole answer that could not be read, and why."""

    reason: str


class _Field(NamedTuple):
    required: bool
    type: Any


_FIELDS: Final = {f.encode_name: _Field(f.required, f.type) for f in msgspec.structs.fields(Job) if f.encode_name != _OTHER}
PROPERTIES: Final = tuple(_FIELDS)


class _KnownPage(msgspec.Struct):
    total: Counter
    data: tuple[Job, ...] | None = None


_decode_page = msgspec.json.Decoder(_KnownPage).decode
_decode_job = msgspec.json.Decoder(Job).decode
_Unreadable = (msgspec.MsgspecError, ValueError, RecursionError)


def parse_page(body: bytes) -> Page | Malformed:
    """Read a page of `GET /v1/batch/jobs`; `data` may be absent or null when the list is empty."""
    try:
        page = _decode_page(body)
    except _Unreadable:
        return _parse_unusual_page(body)
    return Page(page.data or (), (), page.total)


def parse_job(body: bytes) -> Job | MalformedJob:
    """Read the answer of `GET /v1/batch/jobs/{id}`, or a job that `to_data` wrote."""
    try:
        return _decode_job(body)
    except _Unreadable:
        answer = _loads(body)
        return MalformedJob(None, answer.reason) if isinstance(answer, Malformed) else read_job(answer)


def read_job(answer: Any) -> Job | MalformedJob:
    """Read one job from decoded JSON, leniently where a tracker can be."""
    if not isinstance(answer, dict):
        return MalformedJob(None, f"expected an object, found {_kind(answer)}")
    known, extra = _sort_properties(answer)
    try:
        return msgspec.convert(known | {_OTHER: extra}, Job)
    except msgspec.ValidationError as error:
        name = answer.get("id")
        return MalformedJob(name if isinstance(name, str) else None, _with_what_was_found(str(error), answer))


def _with_what_was_found(message: str, answer: dict[str, Any]) -> str:
    name = message.rpartition("`$.")[2].rstrip("`")
    return f"{message}, found {answer[name]!r:.60}" if name in answer else message


def _sort_properties(answer: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in answer.items():
        field = _FIELDS.get(name)
        if field and (field.required or _fits(value, field.type)):
            known[name] = value
        else:
            extra[name] = value
    return known, extra


def _fits(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True


def _parse_unusual_page(body: bytes) -> Page | Malformed:
    answer = _loads(body)
    if isinstance(answer, Malformed):
        return answer
    if not isinstance(answer, dict):
        return Malformed(f"expected an object with `data` and `total`, found {_kind(answer)}")
    data, total = answer.get("data"), answer.get("total")
    if data is None and not isinstance(total, int):
        return Malformed("expected an object with `data` and `total`, found neither")
    if not isinstance(data, list | None):
        return Malformed(f"expected `data` to be a list of jobs, found {_kind(data)}")
    read = [read_job(each) for each in data or ()]
    return Page(
        jobs=tuple(each for each in read if isinstance(each, Job)),
        malformed=tuple(each for each in read if isinstance(each, MalformedJob)),
        total=total if isinstance(total, int) and total >= 0 else None,
    )


def _loads(body: bytes) -> Any:
    """Decode JSON as forgivingly as can be: lone surrogates and bad UTF-8 become U+FFFD, NaN and Infinity null."""
    try:
        return _scrub(json.loads(body.decode("utf-8", "replace"), parse_constant=lambda _: None))
    except _Unreadable as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return Malformed(f"expected JSON, found {len(body)} bytes that are not: {reason}")


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_scrub(each) for each in value]
    if isinstance(value, dict):
        return {_scrub(name): _scrub(each) for name, each in value.items()}
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
