"""Owns interning: equal values of many jobs, such as models and metadata, are kept in memory once."""

from typing import Any, Final

import msgspec

from tracker.core.jobs.job import Job
from tracker.core.jobs.native import NATIVE

MOST: Final = 10_000
"""Values that are remembered; if there are more, few of them are equal."""

_encode: Final = msgspec.json.Encoder().encode


class Interning:
    """A table of shared values. They are never changed."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self._values)

    def lean(self, job: Job) -> Job:
        """`job` with shared values in place of equal ones."""
        once = self._shared
        return msgspec.structs.replace(
            job,
            object=once(job.object),
            endpoint=once(job.endpoint),
            model=once(job.model),
            status=once(job.status),
            metadata=once(job.metadata),
            total_requests=once(job.total_requests),
            errors=once(job.errors),
            outputs=once(job.outputs),
            extra=job.extra if NATIVE in job.extra else once(job.extra),  # no two jobs share one with a vendor's object
        )

    def _shared(self, value: Any) -> Any:
        """The first equal value; lists and objects are compared by their JSON, in which `1` and `1.0` differ."""
        if len(self._values) >= MOST:
            self._values.clear()
        return self._values.setdefault(_encode(value) if isinstance(value, dict | list) else (type(value), value), value)
