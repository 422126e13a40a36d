"""Owns what many jobs have in common, kept once: a thousand jobs have few different models, and few different metadata."""

from typing import Any, Final

import msgspec

from tracker.core.jobs.job import Job

MOST: Final = 10_000
"""Values that are remembered; where there are more, they are hardly in common."""

_encode: Final = msgspec.json.Encoder().encode


class Interning:
    """The values of a job are immutable, so they can be shared."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self._values)

    def lean(self, job: Job) -> Job:
        """`job`, of values that other jobs have too where that may be."""
        once = self._once
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
            extra=once(job.extra),
        )

    def _once(self, value: Any) -> Any:
        """The first value that was the same, by its JSON where it has parts: `1` and `1.0` in it are not the same."""
        if len(self._values) >= MOST:
            self._values.clear()
        return self._values.setdefault(_encode(value) if isinstance(value, dict | list) else (type(value), value), value)
