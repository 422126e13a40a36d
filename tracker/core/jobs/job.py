"""Owns the Job: a BatchJob as last observed, and what a page of a list shows of them."""

from collections.abc import Mapping
from operator import is_
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, NamedTuple, Protocol

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
EXTRA_NAME: Final = "(other)"


class Job(msgspec.Struct, Generic[Value], frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The sixteen properties of Mistral's BatchJob schema, three more that are sent today, and all others.

    Timestamps are whole Unix seconds. `None` is null or absent. `extra` holds unknown properties, and known optional
    ones whose value was not of their type, unchanged. `Value` is for properties that the schema allows to be anything.
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
    extra: dict[str, Any] = msgspec.field(default_factory=dict, name=EXTRA_NAME)

    def to_data(self) -> dict[str, Any]:
        """The job as JSON values, in the schema's order: every property of the schema, then the others unchanged."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        if self.input_files is not None:
            data["input_files"] = list(self.input_files)  # JSON has no tuples
        extra: dict[str, Any] = data.pop(EXTRA_NAME)
        return data | extra


class PartialJob(Job[Any], frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A job whose answer lacks the counters or the creation time in `absent`, or has them with a wrong type; they are 0 here.

    It is equal to no `Job` and is never stored: `missing_fields` makes a `Job` of it.
    """

    absent: tuple[str, ...]

    def to_data(self) -> dict[str, Any]:
        """The properties of the answer, as JSON values."""
        return {name: value for name, value in super().to_data().items() if name not in ("absent", *self.absent)}


class MalformedJob(msgspec.Struct, frozen=True):
    """A job without an ID or a status: its ID if it has one, and what was found where and expected."""

    id: str | None
    reason: str


class Hole(msgspec.Struct, frozen=True):
    """Entries of a list that cannot be read: their place, how many, why, and the creation times (Unix seconds) next to them."""

    start: int
    size: int
    failure: Failure
    after: int | None = None
    before: int | None = None


class KnownJob(Protocol):
    """What is known of a job."""

    @property
    def job(self) -> Job: ...

    @property
    def deleted(self) -> bool: ...


class KeptJobs:
    """The jobs of a page that is kept to be shown again. They are values: one may take the place of an equal one."""

    def __init__(self, jobs: tuple[Job, ...]) -> None:
        self.jobs = jobs
        self._order = [job.id for job in jobs]
        self.ids = frozenset(self._order)
        self.newest = max([job.created_at for job in jobs], default=0)
        self._is_shared = False
        self._known: list[KnownJob | None] = []

    def are_known(self, known: Mapping[str, KnownJob]) -> bool:
        """Whether each of the jobs is known, as it was when `share` found it equal: its values are not compared again."""
        return bool(self._known) and all(map(is_, map(known.get, self._order), self._known))

    def share(self, known: Mapping[str, KnownJob]) -> None:
        """Put the jobs that are known in place of equal ones: so each is in memory once."""
        if self._is_shared:
            return
        self._is_shared = True
        before = [*map(known.get, self._order)]
        same = [each is not None and (each.job is job or each.job == job) for job, each in zip(self.jobs, before, strict=True)]
        pairs = zip(self.jobs, before, same, strict=True)
        self.jobs = tuple([each.job if each and is_same else job for job, each, is_same in pairs])
        if all(same) and not any(each.deleted for each in before if each):
            self._known = before


class Page(msgspec.Struct, frozen=True):
    """One page of the list call.

    `total` counts the jobs on all pages of the query, None if the API did not say; `provider_time` is the provider's clock
    when it answered (Unix milliseconds), None if it did not say. `next_token` leads to the page behind this one, None if
    there is none. With `next_is_guessed` the API did not say whether there is one. `kept` are its jobs where they are kept, to
    be shown again if the next page in its place is the same.
    """

    jobs: tuple[Job, ...]
    malformed: tuple[MalformedJob, ...]
    total: int | None
    holes: tuple[Hole, ...] = ()
    provider_time: int | None = None
    next_token: str | None = None
    next_is_guessed: bool = False
    kept: KeptJobs | None = None

    @property
    def ids(self) -> frozenset[str]:
        """Of its jobs."""
        return self.kept.ids if self.kept else frozenset([job.id for job in self.jobs])

    def __len__(self) -> int:
        return len(self.jobs) + len(self.malformed) + (sum([hole.size for hole in self.holes]) if self.holes else 0)


class Malformed(msgspec.Struct, frozen=True):
    """An answer that could not be read, and why."""

    reason: str


class Field(NamedTuple):
    required: bool
    type: Any


FIELDS: Final = {f.encode_name: Field(f.required, f.type) for f in msgspec.structs.fields(Job) if f.encode_name != EXTRA_NAME}
PROPERTIES: Final = tuple(FIELDS)
