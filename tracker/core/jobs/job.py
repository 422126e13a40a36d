"""Owns the Job: a BatchJob as last observed, and how one is read from what the API sends.

Reading has three speeds. A page in the shape we know, of values that can do no harm, is decoded in one pass into `Job`s and
trusted; with other values (text that is escaped, what is nested) each job is looked at. Anything else (an unknown property,
a value of another type, text that is not quite JSON) is read again one job at a time: what a tracker can do without is kept
as it came, a job that lacks a counter or its creation time becomes a `PartialJob`, and one without an id or a status a
`MalformedJob`, which costs only itself. A whole number that is written as N.0 is that number. What JSON
writers, readers and databases disagree about does not get in: numbers beyond a float's range, lone surrogates, and nesting
that a recursive reader may not survive. What would take far more time and memory to read than to send is not read at all.
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tracker.core.errors.provider_failure import Failure

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Value = TypeVar("Value", default=Any)  # a Job is a Job of any values
else:
    from typing import TypeVar

    Value = TypeVar("Value")

Counter = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
UnixSeconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # to the end of the year 9999, as far as ISO 8601 goes

COUNTERS: Final = ("total_requests", "completed_requests", "succeeded_requests", "failed_requests")
DEEPEST: Final = 64
"""Levels of lists and objects that a property may have; null stands for what lies deeper."""

MOST_VALUES: Final = 250_000
"""Values of an answer: a hundred jobs with two thousand files each have fewer, and more would hold up everything else."""

MOST_JOBS: Final = 1000
"""Jobs of a page, ten times as many as are asked for."""

_BEYOND_A_FLOAT: Final = 10**308
"""From here on no integer gets in, of either sign: a reader that has floats alone would take it for infinity."""

_LONGEST_INT: Final = 309
"""Characters of the longest integer that does, its sign included; of some thousand `int` makes an error."""

_TOO_MUCH: Final = f"expected at most {MOST_VALUES} values, found more"
_OTHER: Final = "(other)"


class Job(msgspec.Struct, Generic[Value], frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The sixteen properties of Mistral's BatchJob schema, three more that are sent today, and whatever else came.

    Timestamps are whole Unix seconds. `None` is null or absent. `extra` holds unknown properties, and known optional
    ones whose value was not of their type, as they came. `Value` is what may stand where the schema lets stand anything.
    """

    id: Name
    object: str | None = "batch"
    input_files: tuple[str, ...] | None = None
    endpoint: str | None = None
    model: str | None = None
    output_file: str | None = None
    error_file: str | None = None
    status: Name
    created_at: UnixSeconds
    started_at: UnixSeconds | None = None
    completed_at: UnixSeconds | None = None
    metadata: dict[str, Value] | None = None
    total_requests: Counter
    completed_requests: Counter
    succeeded_requests: Counter
    failed_requests: Counter
    agent_id: Value | UnsetType = UNSET
    errors: Value | UnsetType = UNSET
    outputs: Value | UnsetType = UNSET
    extra: dict[str, Any] = msgspec.field(default_factory=dict, name=_OTHER)

    def to_data(self) -> dict[str, Any]:
        """The job as JSON values, in the schema's order: every property of the schema, and the others as they came."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        if self.input_files is not None:
            data["input_files"] = list(self.input_files)  # JSON has no tuples
        extra: dict[str, Any] = data.pop(_OTHER)
        return data | extra


class PartialJob(Job[Any], frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A job whose answer lacks, or has as something else, the counters and the creation time that are `absent`: 0 stands there.

    It is equal to no `Job`, and is never kept: `core.observed` makes a job of it, by what is known.
    """

    absent: tuple[str, ...]

    def to_data(self) -> dict[str, Any]:
        """What was there, as JSON values."""
        return {name: value for name, value in super().to_data().items() if name not in ("absent", *self.absent)}


class MalformedJob(msgspec.Struct, frozen=True):
    """A job without an id or a status: its id where it has one, and what was found where, against what was expected."""

    id: str | None
    reason: str


class Hole(msgspec.Struct, frozen=True):
    """Entries of a list that cannot be read: their place, how many, why, and the creation times (Unix seconds) next to them."""

    start: int
    size: int
    failure: Failure
    after: int | None = None
    before: int | None = None


class Page(msgspec.Struct, frozen=True):
    """One page of the list call.

    `total` counts the jobs on all pages of the query, None where the API did not say; `provider_time` is the provider's clock
    when it answered (Unix milliseconds), None where it did not say.
    """

    jobs: tuple[Job, ...]
    malformed: tuple[MalformedJob, ...]
    total: int | None
    holes: tuple[Hole, ...] = ()
    provider_time: int | None = None

    def __len__(self) -> int:
        return len(self.jobs) + len(self.malformed) + sum(hole.size for hole in self.holes)


class Malformed(msgspec.Struct, frozen=True):
    """A whole answer that could not be read, and why."""

    reason: str


class _Field(NamedTuple):
    required: bool
    type: Any


_FIELDS: Final = {f.encode_name: _Field(f.required, f.type) for f in msgspec.structs.fields(Job) if f.encode_name != _OTHER}
PROPERTIES: Final = tuple(_FIELDS)

_GUESSED: Final = ("created_at", *COUNTERS)
"""Required by the schema, and yet no reason not to track a job that lacks it."""

_WHOLE: Final = (*COUNTERS, "started_at", "completed_at")


_Flat = str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None
_Usual = _Flat | list[dict[str, _Flat]]
"""Nested no deeper, and no integer beyond a float."""


class _Listed(msgspec.Struct, Generic[Value]):
    total: Counter
    data: tuple[Job[Value], ...] | None = None


_any_of = attrgetter("metadata", "agent_id", "errors", "outputs")

_decode_usual_page = msgspec.json.Decoder(_Listed[_Usual]).decode
_decode_page = msgspec.json.Decoder(_Listed[Any]).decode
_decode_job = msgspec.json.Decoder(Job).decode
_Unreadable = (msgspec.MsgspecError, ValueError, RecursionError)


def parse_page(body: bytes) -> Page | Malformed:
    """Read a page of `GET /v1/batch/jobs`; `data` may be absent or null when the list is empty."""
    if _is_too_much(body):
        return Malformed(_TOO_MUCH)
    with suppress(*_Unreadable):
        if _is_plain(body):
            page = _decode_usual_page(body)
            return Page(page.data or (), (), page.total)
    with suppress(*_Unreadable):
        page = _decode_page(body)
        if all(map(_is_usual, page.data or ())):
            return Page(page.data or (), (), page.total)
    return _parse_unusual_page(body)


def parse_job(body: bytes) -> Job | MalformedJob:
    """Read the answer of `GET /v1/batch/jobs/{id}`, or a job that `to_data` wrote."""
    if _is_too_much(body):
        return MalformedJob(None, _TOO_MUCH)
    try:
        job = _decode_job(body)
    except _Unreadable:
        return _parse_unusual_job(body)
    return job if _is_usual(job) else _parse_unusual_job(body)


def read_job(answer: Any) -> Job | MalformedJob:
    """Read one job from decoded JSON, leniently where a tracker can be."""
    if not isinstance(answer, dict):
        return MalformedJob(None, f"expected an object, found {_kind(answer)}")
    if not _is_tidy(answer, DEEPEST + 1):
        answer = _scrub(answer, DEEPEST + 1)
    try:
        return _convert(answer, answer.keys() & _FIELDS.keys())
    except msgspec.ValidationError:
        return _read_what_fits(answer)


def time_of(job: Mapping[str, Any], name: str) -> int | None:
    """A time in a job's JSON (Unix seconds); None where that is null, or something else that was kept as it came."""
    value = job[name]
    return value if _fits(value, UnixSeconds) else None


def _is_too_much(body: bytes) -> bool:
    """Whether there are more than `MOST_VALUES`, each of which but the first follows one of these or stands in one."""
    return len(body) > 2 * MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES


def _is_plain(body: bytes) -> bool:
    """Whether each job in it that is of `_Usual` values can be trusted without looking at it alone: false says nothing.

    Text that escapes no character holds no surrogate, and names a property as it is. Single bytes are looked for because that
    is what is fast: twenty times as fast as looking for two.
    """
    return b"\\" not in body and _OTHER[0].encode() not in body


def _is_usual(job: Job) -> bool:
    """Whether the fast reading can be trusted: nothing came under our own name for `extra`, nothing is nested too deeply."""
    return not job.extra and all(_is_tidy(any_, DEEPEST) for any_ in _any_of(job) if any_)


def _is_tidy(value: Any, levels: int) -> bool:
    """Whether `_scrub` would leave `value`, decoded with `levels` levels of nesting to go, as it is."""
    if isinstance(value, str):
        return value.isascii() or value == _scrub(value, levels)
    if isinstance(value, dict):
        return levels > 0 and all(map(str.isascii, value)) and all(_is_tidy(each, levels - 1) for each in value.values())
    if isinstance(value, list | tuple):
        return levels > 0 and all(_is_tidy(each, levels - 1) for each in value)
    return not isinstance(value, int) or abs(value) < _BEYOND_A_FLOAT


def _read_what_fits(answer: dict[str, Any]) -> Job | MalformedJob:
    answer = answer | {name: _whole(answer[name]) for name in _WHOLE if name in answer}
    if isinstance(moment := answer.get("created_at"), float) and math.isfinite(moment):
        answer["created_at"] = int(moment)  # a fraction of a second is no reason to guess
    absent = tuple(name for name in _GUESSED if not _fits(answer.get(name), _FIELDS[name].type))
    answer |= dict.fromkeys(absent, 0)
    named = answer.keys() & _FIELDS.keys()
    try:
        known = {name for name in named if _FIELDS[name].required or _fits(answer[name], _FIELDS[name].type)}
        return _convert(answer, known, absent)
    except msgspec.ValidationError as error:
        name = answer.get("id")
        return MalformedJob(name if _fits(name, Name) else None, _with_what_was_found(str(error), answer))


def _convert(answer: dict[str, Any], known: set[str], absent: tuple[str, ...] = ()) -> Job:
    """Make the job of the properties `known`; the others are extra."""
    values = {name: answer[name] for name in known} | {_OTHER: {}}
    job: Job = msgspec.convert(values | {"absent": absent}, PartialJob) if absent else msgspec.convert(values, Job)
    job.extra.update((name, value) for name, value in answer.items() if name not in known)
    return job


def _whole(value: Any) -> Any:
    """The whole number that a float is; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _with_what_was_found(message: str, answer: dict[str, Any]) -> str:
    name = message.rpartition("`$.")[2].rstrip("`")
    return f"{message}, found {answer[name]!r:.60}" if name in answer else message


def _fits(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True


def _parse_unusual_job(body: bytes) -> Job | MalformedJob:
    answer = _loads(body)
    return MalformedJob(None, answer.reason) if isinstance(answer, Malformed) else read_job(answer)


def _parse_unusual_page(body: bytes) -> Page | Malformed:
    answer = _loads(body)
    if isinstance(answer, Malformed):
        return answer
    if not isinstance(answer, dict):
        return Malformed(f"expected an object with `data` and `total`, found {_kind(answer)}")
    data, total = answer.get("data"), _whole(answer.get("total"))
    said = total is not None and _fits(total, Counter)
    if data is None and not said:
        return Malformed("expected an object with `data` and `total`, found neither")
    if not isinstance(data, list | None):
        return Malformed(f"expected `data` to be a list of jobs, found {_kind(data)}")
    if data and len(data) > MOST_JOBS:
        return Malformed(f"expected at most {MOST_JOBS} jobs, found {len(data)}")
    read = [read_job(each) for each in data or ()]
    return Page(
        jobs=tuple(each for each in read if isinstance(each, Job)),
        malformed=tuple(each for each in read if isinstance(each, MalformedJob)),
        total=total if said else None,
    )


def _loads(body: bytes) -> Any:
    """Decode JSON as forgivingly as can be: bad UTF-8 becomes U+FFFD; NaN, Infinity and numbers as large as that null."""
    with suppress(*_Unreadable):
        return msgspec.json.decode(body)
    try:
        return json.loads(
            body.decode("utf-8", "replace"), parse_constant=lambda _: None, parse_float=_finite, parse_int=_int_or_null
        )
    except _Unreadable as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return Malformed(f"expected JSON, found {len(body)} bytes that are not: {reason}")


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _int_or_null(text: str) -> int | None:
    return int(text) if len(text) <= _LONGEST_INT else None


def _scrub(value: Any, levels: int) -> Any:
    """`value` with U+FFFD for lone surrogates, and null for what is beyond a float or more than `levels` levels down."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int) and abs(value) >= _BEYOND_A_FLOAT:
        return None
    if not isinstance(value, list | dict):
        return value
    if levels == 0:
        return None
    if isinstance(value, list):
        return [_scrub(each, levels - 1) for each in value]
    return {_scrub(name, 0): _scrub(each, levels - 1) for name, each in value.items()}


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
