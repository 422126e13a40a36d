"""Owns fast reading of pages whose jobs have properties that the schema lacks, once their names are known.

An API may send a new property with every job, for years. Its name is learned from the first page. A decoder that expects it
reads the next pages in one pass, in a seventh of the time.
"""

import types
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any, Final, Generic

import msgspec
from msgspec import UNSET, Meta

from tracker.core.jobs.job import PROPERTIES, Counter, Job, Value

MOST_NAMES: Final = 16
"""Names that are learned; the pages of an API that sends more are read one job at a time."""

Flat = str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None
Usual = Flat | list[dict[str, Flat]]
"""Values without deeper nesting and without integers beyond a float."""


class Listed(msgspec.Struct, Generic[Value]):
    """The answer of a list call."""

    total: Counter
    data: tuple[Job[Value], ...] | None = None


class NewProperties:
    """The names that were learned from the pages of one list, in the order in which they came, and their decoder."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}  # of the decoder's jobs, by the name in the answer
        self._decode: Callable[[bytes], Any] | None = None

    def learn(self, jobs: Sequence[Job]) -> None:
        """Expect the unknown properties of these jobs from now on."""
        found = dict.fromkeys([*self._fields, *(name for job in jobs for name in job.extra)])
        names = {name: f"new_{number}" for number, name in enumerate(found)}
        if len(self._fields) < len(names) <= MOST_NAMES and names.keys().isdisjoint(PROPERTIES):
            self._fields = names
            self._decode = msgspec.json.Decoder(_listed_type(names)).decode

    def read(self, body: bytes) -> Listed | None:
        """A page of plain text whose jobs have at most the expected properties, with `Usual` values; None for another one."""
        if self._decode is None:
            return None
        try:
            listed = self._decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return Listed(total=listed.total, data=self._jobs(listed.data or ()))

    def _jobs(self, rows: Sequence[Any]) -> tuple[Job, ...]:
        jobs = msgspec.convert(rows, tuple[Job, ...], from_attributes=True)
        for name, field in self._fields.items():
            for job, value in zip(jobs, map(attrgetter(field), rows), strict=True):
                if value is not UNSET:
                    job.extra[name] = value
        return jobs


def _listed_type(fields: dict[str, str]) -> type[msgspec.Struct]:
    """`Listed`, with jobs that have these fields too."""
    members = {field: msgspec.field(default=UNSET, name=name) for name, field in fields.items()}
    annotations = dict.fromkeys(members, Usual | msgspec.UnsetType)
    config = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True, "gc": False}
    job = types.new_class(
        "JobWithNewProperties",
        (Job[Usual],),
        config,
        lambda namespace: namespace.update(members, __annotations__=annotations, __module__=__name__),
    )
    return msgspec.defstruct("ListedWithNewProperties", [("total", Counter), ("data", tuple[job, ...] | None, None)])  # type: ignore[valid-type]
