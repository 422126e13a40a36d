"""Owns a vendor's own object of a job, kept in the property `native` beside what it is mapped to, and the changes of it.

A job of another vendor than Mistral has three properties that no BatchJob has: `provider`, the vendor's name; `native`, its own
object as it came, within a limit; and `expires_at`, the moment at which the vendor ends the job, where that is known.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeGuard

import msgspec

from tracker.core.jobs.job import Job, MalformedJob, UnixSeconds
from tracker.core.jobs.job_reading import read_job
from tracker.core.jobs.size_limits import LARGEST_PROPERTY, is_omitted, omitted, size_of
from tracker.core.jobs.status import is_terminal

PROVIDER: Final = "provider"
NATIVE: Final = "native"
EXPIRES_AT: Final = "expires_at"

MISTRAL: Final = "mistral"
"""The provider of a job that names none: the log had no other jobs before it had the property."""

_PLACEHOLDER: Final = 64
"""Bytes; a smaller value is not replaced, for its placeholder could be larger."""


def read_mapped_job(
    properties: Mapping[str, Any], *, provider: str, native: Mapping[str, Any], expires_at: int | None = None
) -> Job | MalformedJob:
    """The job of the BatchJob's `properties`, to which `native` of the vendor `provider` was mapped.

    As in `read_job`, a property that is None or missing is unknown. `expires_at` is Unix seconds.
    """
    added = {PROVIDER: provider, NATIVE: native} | ({} if expires_at is None else {EXPIRES_AT: expires_at})
    job = read_job({**properties, **added})
    if isinstance(job, Job):
        job.extra[NATIVE] = bounded_native(job.extra[NATIVE])
    return job


def provider_of(job: Mapping[str, Any]) -> str:
    """The name of the vendor, by a job's JSON."""
    return named_provider(job.get(PROVIDER))


def named_provider(value: Any) -> str:
    """The name of the vendor that a job with this `provider` has."""
    return value if isinstance(value, str) and value else MISTRAL


def named_vendor(job: Mapping[str, Any]) -> str | None:
    """The vendor that a job names, by its JSON or by `Job.extra`; one of Mistral's names none."""
    return provider_of(job) if provider_of(job) != MISTRAL else None


def counts_nothing_yet(provider: str, status: str, completed: int) -> bool:
    """Whether counters that stand at 0 may be unknown: some vendors count the requests of a job only at its end."""
    return provider != MISTRAL and not completed and not is_terminal(status)


def expires_at(job: Mapping[str, Any]) -> int | None:
    """When the vendor ends the job (Unix seconds), by its JSON or by `Job.extra`; None if that is unknown.

    Without a provider the property is not ours: it can be any time that the API calls so.
    """
    found = job.get(EXPIRES_AT)
    if PROVIDER not in job or isinstance(found, bool) or not isinstance(found, int):
        return None
    return found if _is_time(found) else None


def bounded_native(native: dict[str, Any]) -> dict[str, Any]:
    """`native` within 8 KiB of JSON if it can be: its largest values give way to their sizes, always in the same order."""
    size = size_of(native)
    if size <= LARGEST_PROPERTY:
        return native
    bounded = dict(native)
    sizes = ((size_of(value), name) for name, value in native.items())
    for value_size, name in sorted(sizes, key=lambda each: (-each[0], each[1])):
        if size <= LARGEST_PROPERTY or value_size <= _PLACEHOLDER:
            break
        bounded[name] = omitted(value_size)
        size += size_of(bounded[name]) - value_size
    return bounded


def with_known_keys(seen: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any] | None:
    """The object of `seen` with what only that of `known` has, for an answer may leave something out; None if it has all."""
    now, before = seen.get(NATIVE), known.get(NATIVE)
    if not _is_whole(now) or not _is_whole(before) or before.keys() <= now.keys():
        return None
    return bounded_native({**before, **now})


def native_changes(known: Any, seen: Any, mapped: Collection[str]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The changes of the values of a vendor's object, without those in `mapped`, which say nothing that the job does not."""
    if not _is_whole(known) or not _is_whole(seen):
        return
    for name, value in seen.items():
        if name not in mapped and not _are_equal(was := known.get(name), value) and (_has_content(was) or _has_content(value)):
            yield f"{NATIVE}.{name}", (was, value)


def _are_equal(one: Any, other: Any) -> bool:
    """Whether two values are the same as far as is known: of an omitted one only the size is."""
    if is_omitted(one) != is_omitted(other):
        return _size(one) == _size(other)
    return bool(one == other)


def _size(value: Any) -> int:
    size: int = value["omitted_bytes"] if is_omitted(value) else size_of(value)
    return size


def _is_whole(native: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(native, dict) and not is_omitted(native)


def _has_content(value: Any) -> bool:
    """Whether it is none of null, "", {}, [] and absent, which all mean the same; 0 and false are content."""
    return bool(value) or value == 0


def _is_time(value: int) -> bool:
    try:
        msgspec.convert(value, UnixSeconds)
    except msgspec.ValidationError:
        return False
    return True
