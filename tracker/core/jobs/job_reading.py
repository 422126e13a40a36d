"""Owns how jobs and pages of them are read from what the API sends.

Reading has three speeds. A page of the usual shape with harmless values is decoded in one pass into `Job`s and trusted. With
other values (escaped text, nested values) each job is checked. Anything else (an unknown property, a value of another type,
text that is not quite JSON) is read again one job at a time: properties that are not essential are kept as they are, a job
without a counter or its creation time becomes a `PartialJob`, and a job without an ID or a status a `MalformedJob`, which
affects no other job. A whole number that is written as N.0 is that number. Values that JSON writers, readers and databases
treat differently are replaced: numbers beyond a float's range, lone surrogates, and nesting too deep for a recursive reader.
An answer that would take far more time and memory to read than to send is rejected.
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any, Final

import msgspec

from tracker.core.jobs.job import (
    COUNTERS,
    EXTRA_NAME,
    FIELDS,
    Counter,
    Job,
    Malformed,
    MalformedJob,
    Name,
    Page,
    PartialJob,
    UnixSeconds,
)
from tracker.core.jobs.new_properties import Listed, NewProperties, Usual

DEEPEST: Final = 64
"""Levels of lists and objects that a property may have; deeper values are replaced by null."""

MOST_VALUES: Final = 250_000
"""Values of an answer: a hundred jobs with two thousand files each have fewer, and more would block everything else."""

MOST_JOBS: Final = 1000
"""Jobs of a page, ten times as many as are requested."""

_BEYOND_A_FLOAT: Final = 10**308
"""Larger integers, of either sign, become null: a reader with only floats would read infinity."""

_LONGEST_INT: Final = 309
"""Characters of the longest smaller integer, with its sign; `int` rejects some thousand digits."""

_TOO_MUCH: Final = f"expected at most {MOST_VALUES} values, found more"

_GUESSED: Final = ("created_at", *COUNTERS)
"""Properties that the schema requires, but without which a job can be tracked."""

_WHOLE: Final = (*COUNTERS, "started_at", "completed_at")


_any_of = attrgetter("metadata", "agent_id", "errors", "outputs")

_decode_usual_page = msgspec.json.Decoder(Listed[Usual]).decode
_decode_page = msgspec.json.Decoder(Listed[Any]).decode
_decode_job = msgspec.json.Decoder(Job).decode
_Unreadable = (msgspec.MsgspecError, ValueError, RecursionError)


def parse_page(body: bytes, new: NewProperties | None = None) -> Page | Malformed:
    """Read a page of `GET /v1/batch/jobs`; `data` may be absent or null when the list is empty.

    `new` learns the properties that the schema lacks, so that the next page with them is read as fast as one without.
    """
    if _is_too_much(body):
        return Malformed(_TOO_MUCH)
    with suppress(*_Unreadable):
        if _is_plain(body):
            page = (new and new.read(body)) or _decode_usual_page(body)
            return Page(page.data or (), (), page.total)
    with suppress(*_Unreadable):
        page = _decode_page(body)
        if all(map(_is_usual, page.data or ())):
            return Page(page.data or (), (), page.total)
    read = _parse_unusual_page(body)
    if new and isinstance(read, Page) and not read.malformed:
        new.learn(read.jobs)
    return read


def parse_job(body: bytes) -> Job | MalformedJob:
    """Read the answer of `GET /v1/batch/jobs/{id}`, or a job that `to_data` wrote."""
    if _is_too_much(body):
        return MalformedJob(None, _TOO_MUCH)
    try:
        job = _decode_job(body)
    except _Unreadable:
        return _parse_unusual_job(body)
    return job if _is_usual(job) else _parse_unusual_job(body)


def decode(body: bytes) -> Any:
    """Decode any JSON as leniently as an answer of Mistral's is: `Malformed` if it cannot be read or is far too large."""
    return Malformed(_TOO_MUCH) if _is_too_much(body) else _loads(body)


def read_job(answer: Any) -> Job | MalformedJob:
    """Read one job from decoded JSON, as leniently as possible."""
    if not isinstance(answer, dict):
        return MalformedJob(None, f"expected an object, found {_kind(answer)}")
    if not _is_tidy(answer, DEEPEST + 1):
        answer = _scrub(answer, DEEPEST + 1)
    try:
        return _convert(answer, answer.keys() & FIELDS.keys())
    except msgspec.ValidationError:
        return _read_leniently(answer)


def time_of(job: Mapping[str, Any], name: str) -> int | None:
    """A time in a job's JSON (Unix seconds); None if it is null or not a time."""
    value = job[name]
    return value if _fits(value, UnixSeconds) else None


def _is_too_much(body: bytes) -> bool:
    """Whether there may be more than `MOST_VALUES`: each value but the first follows a comma or a bracket."""
    return len(body) > 2 * MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES


def _is_plain(body: bytes) -> bool:
    """Whether each job with `Usual` values can be trusted without a check of its own; false if that is unknown.

    Text without escaped characters has no surrogates, and property names are literal. Single bytes are searched, which is
    twenty times as fast as a search for two bytes.
    """
    return b"\\" not in body and EXTRA_NAME[0].encode() not in body


def _is_usual(job: Job) -> bool:
    """Whether the fast reading can be trusted: no property is called `extra`, and none is nested too deeply."""
    return not job.extra and all(_is_tidy(any_, DEEPEST) for any_ in _any_of(job) if any_)


def _is_tidy(value: Any, levels: int) -> bool:
    """Whether `_scrub` would not change `value`; `levels` levels of nesting are left."""
    if isinstance(value, str):
        return value.isascii() or value == _scrub(value, levels)
    if isinstance(value, dict):
        return levels > 0 and all(map(str.isascii, value)) and all(_is_tidy(each, levels - 1) for each in value.values())
    if isinstance(value, list | tuple):
        return levels > 0 and all(_is_tidy(each, levels - 1) for each in value)
    return not isinstance(value, int) or abs(value) < _BEYOND_A_FLOAT


def _read_leniently(answer: dict[str, Any]) -> Job | MalformedJob:
    answer = answer | {name: _whole(answer[name]) for name in _WHOLE if name in answer}
    if isinstance(moment := answer.get("created_at"), float) and math.isfinite(moment):
        answer["created_at"] = int(moment)  # a fraction of a second is no reason to guess
    absent = tuple(name for name in _GUESSED if not _fits(answer.get(name), FIELDS[name].type))
    answer |= dict.fromkeys(absent, 0)
    named = answer.keys() & FIELDS.keys()
    try:
        known = {name for name in named if FIELDS[name].required or _fits(answer[name], FIELDS[name].type)}
        return _convert(answer, known, absent)
    except msgspec.ValidationError as error:
        name = answer.get("id")
        return MalformedJob(name if _fits(name, Name) else None, _with_found_value(str(error), answer))


def _convert(answer: dict[str, Any], known: set[str], absent: tuple[str, ...] = ()) -> Job:
    """Make a job of the properties `known`; the others are extra."""
    values = {name: answer[name] for name in known} | {EXTRA_NAME: {}}
    job: Job = msgspec.convert(values | {"absent": absent}, PartialJob) if absent else msgspec.convert(values, Job)
    job.extra.update((name, value) for name, value in answer.items() if name not in known)
    return job


def _whole(value: Any) -> Any:
    """The whole number that a float is; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _with_found_value(message: str, answer: dict[str, Any]) -> str:
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
    has_total = total is not None and _fits(total, Counter)
    if data is None and not has_total:
        return Malformed("expected an object with `data` and `total`, found neither")
    if not isinstance(data, list | None):
        return Malformed(f"expected `data` to be a list of jobs, found {_kind(data)}")
    if data and len(data) > MOST_JOBS:
        return Malformed(f"expected at most {MOST_JOBS} jobs, found {len(data)}")
    read = [read_job(each) for each in data or ()]
    return Page(
        jobs=tuple(each for each in read if isinstance(each, Job)),
        malformed=tuple(each for each in read if isinstance(each, MalformedJob)),
        total=total if has_total else None,
    )


def _loads(body: bytes) -> Any:
    """Decode JSON leniently: invalid UTF-8 becomes U+FFFD; NaN, Infinity and too large numbers become null."""
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
    """`value` with U+FFFD for lone surrogates, and null for numbers beyond a float and values deeper than `levels`."""
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
