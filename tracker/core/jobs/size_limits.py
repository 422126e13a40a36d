"""Owns the size limits of a job. A job is always shortened in the same way, so that two observations of it are equal.

The 20 most frequent `errors` are kept. An unknown property over 8 KiB is replaced by its size. The whole job has at most 32
KiB of JSON: if it is larger, texts are cut, and lists, metadata and unknown properties are kept as far as they fit, with
properties that count the omitted entries. If that is not enough, the limits of each property are halved.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from tracker.core.jobs.job import Job
from tracker.core.text.one_line import truncate_json

MOST_ERRORS: Final = 20
LARGEST_PROPERTY: Final = 8 * 1024
LARGEST_JOB: Final = 32 * 1024
"""Bytes of JSON."""

OMISSIONS: Final = {
    "errors_omitted": "errors",
    "input_files_omitted": "input_files",
    "metadata_omitted": "metadata",
    "properties_omitted": "extra",
}
"""The properties that count omitted entries, each with the attribute of `Job` that they count."""

_TEXTS: Final = ("object", "endpoint", "model", "output_file", "error_file")
_ANY: Final = ("agent_id", "outputs")

_STEPS: Final = (LARGEST_PROPERTY, LARGEST_PROPERTY // 2, LARGEST_PROPERTY // 4, LARGEST_PROPERTY // 8)
"""Limits of each property in bytes, tried one after another until the job fits; the third always does."""

_encode: Final = msgspec.json.Encoder().encode


def bounded(job: Job) -> Job:
    """`job` within the limits; a job that was bounded before is not changed."""
    if not _has_many_errors(job):
        size = size_of(job)
        if size <= LARGEST_PROPERTY:  # then no property is larger
            return job
        if size <= LARGEST_JOB and not any(size_of(value) > LARGEST_PROPERTY for value in job.extra.values()):
            return job
    job = shortened = _with_small_extra(_with_the_first_errors(job), LARGEST_PROPERTY)
    for most in _STEPS:
        if size_of(shortened) <= LARGEST_JOB:
            break
        shortened = _shortened(job, most)
    return shortened


def size_of(value: Any) -> int:
    """Bytes of JSON."""
    return len(_encode(value))


def omitted(size: int) -> dict[str, int]:
    """The placeholder of a value of `size` bytes."""
    return {"omitted_bytes": size}


def is_omitted(value: Any) -> bool:
    """Whether the value is such a placeholder."""
    return isinstance(value, dict) and value.keys() == {"omitted_bytes"} and isinstance(value["omitted_bytes"], int)


def _has_many_errors(job: Job) -> bool:
    return isinstance(job.errors, list) and len(job.errors) > MOST_ERRORS


def _with_the_first_errors(job: Job) -> Job:
    if not isinstance(job.errors, list) or not _has_many_errors(job):
        return job
    ranked = sorted(job.errors, key=lambda error: (-_count(error), _encode(error)))  # independent of the order in the answer
    return _without(job, "errors", ranked[:MOST_ERRORS], len(ranked) - MOST_ERRORS)


def _with_small_extra(job: Job, most: int) -> Job:
    extra = {name: _or_placeholder(value, most) for name, value in job.extra.items()}
    if is_omitted(size := extra.get("metadata")):  # metadata that was not an object; its placeholder is one
        del extra["metadata"]
        return msgspec.structs.replace(job, metadata=size, extra=extra)
    return msgspec.structs.replace(job, extra=extra)


def _count(error: Any) -> float:
    count = error.get("count") if isinstance(error, dict) else None
    return count if isinstance(count, int | float) else 0


def _without(job: Job, name: str, kept: Any, missing: int) -> Job:
    """`job` with the `kept` part of its property `name`, and `missing` added to the count of omitted entries."""
    if not missing:
        return msgspec.structs.replace(job, **{name: kept})
    counter = next(counter for counter, of in OMISSIONS.items() if of == name)
    extra = kept if name == "extra" else job.extra
    before = job.extra.get(counter)
    total = missing + (before if isinstance(before, int) else 0)
    return msgspec.structs.replace(job, **{name: kept} | {"extra": extra | {counter: total}})


def _shortened(job: Job, most: int) -> Job:
    """`job` with at most `most` bytes for each property, and twice as many for all errors and for all unknown properties."""
    values: dict[str, Any] = {name: _text(getattr(job, name), most // 8) for name in _TEXTS}
    values |= {name: _or_placeholder(value, most) for name in _ANY if (value := getattr(job, name)) is not msgspec.UNSET}
    job = msgspec.structs.replace(job, **values)
    job = _with_short_errors(job, most)
    files, metadata = job.input_files or (), job.metadata or {}
    if size_of(files) > most:
        kept = tuple(_fitting([_text(file, most // 8) for file in files], most))
        job = _without(job, "input_files", kept, len(files) - len(kept))
    if size_of(metadata) > most:
        some = _some({name: _short(value, most // 8) for name, value in metadata.items()}, most)
        job = _without(job, "metadata", some, len(metadata) - len(some))
    return _with_some_extra(job, most)


def _with_short_errors(job: Job, most: int) -> Job:
    if not isinstance(job.errors, list):
        return job if job.errors is msgspec.UNSET else msgspec.structs.replace(job, errors=_or_placeholder(job.errors, most))
    if size_of(job.errors) <= 2 * most:
        return job
    return msgspec.structs.replace(job, errors=[_short_error(error, most // 16) for error in job.errors])


def _short_error(error: Any, most: int) -> Any:
    if isinstance(error, dict) and size_of(error) > most:
        kept = {name: _short(error[name], most * 3 // 4) for name in ("message", "count") if name in error}
        return kept or omitted(size_of(error))
    return _short(error, most)


def _with_some_extra(job: Job, most: int) -> Job:
    job = _with_small_extra(job, most)
    others = {name: value for name, value in job.extra.items() if name not in OMISSIONS}
    some = others if size_of(others) <= 2 * most else _some(others, 2 * most)
    counted = {name: value for name, value in job.extra.items() if name in OMISSIONS}
    return _without(job, "extra", some | counted, len(others) - len(some))


def _some(mapping: Mapping[str, Any], most: int) -> dict[str, Any]:
    """The first entries by name that fit into `most` bytes, in their original order."""
    names = {name for name, _ in _fitting(sorted(mapping.items(), key=lambda entry: entry[0]), most)}
    return {name: value for name, value in mapping.items() if name in names}


def _fitting(values: Iterable[Any], most: int) -> Iterator[Any]:
    """The first values that fit into `most` bytes of a list."""
    for value in values:
        most -= size_of(value) + 1
        if most < 0:
            return
        yield value


def _short(value: Any, most: int) -> Any:
    return _text(value, most) if isinstance(value, str) else _or_placeholder(value, most)


def _or_placeholder(value: Any, most: int) -> Any:
    """`value`, or its placeholder if it has more than `most` bytes."""
    size = size_of(value)
    return value if size <= most else omitted(size)


def _text(text: str | None, most: int) -> str | None:
    return truncate_json(text, most) if text else text
