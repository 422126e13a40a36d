"""Owns the lines of result files: which requests of a job are in which file, in which order, and how each line is written.

Requests complete in an order of their own, not that of the input. At any moment the requests up to a place in that order
are complete. So the counters of a job that was cut short decide what is in its files.
"""

from collections.abc import Iterable, Iterator
from math import gcd
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_OID, uuid5
from zlib import crc32

import msgspec

from tracker.core.jobs.job import Job
from tracker.simulator.failed_result_lines import failure, is_in_output
from tracker.simulator.files.generated_bodies import ID, VARIANTS, answer, request
from tracker.simulator.job_timeline import JobPlan, failures_among

_GOLDEN: Final = 0.618
_LINE_ENDS: Final = (b"\n", b"", b"\n\n")
"""How the last line of a file ends: as the others do, not at all, or with a blank line after it."""


class Counters(NamedTuple):
    """The requests that were completed when the job ended."""

    succeeded: int
    failed: int


class Completion(NamedTuple):
    """A completed request: its place in the input (from 0), and its number among the failed ones, or None."""

    place: int
    failed: int | None


def completions(plan: JobPlan, completed: int) -> Iterator[Completion]:
    """The first `count` completions."""
    stride, start = _stride(plan.requests), crc32(plan.id.encode())
    before = 0
    for number in range(completed):
        after = failures_among(plan, number + 1)
        yield Completion((start + number * stride) % plan.requests, before if after > before else None)
        before = after


def result_lines(plan: JobPlan, kind: str, counters: Counters, model: str | None) -> Iterator[bytes]:
    """The lines of the "output" or "error" file of a job that ended with these counters, with their line ends."""
    writer, completed = LineWriter(plan, model), completions(plan, counters.succeeded + counters.failed)
    lines = (writer.write(completion) for completion in completed if file_of(completion, counters) == kind)
    return with_line_ends(plan, lines)


def with_line_ends(plan: JobPlan, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines as they are in a file; the last one ends in one of three ways."""
    last: bytes | None = None
    for line in lines:
        if last is not None:
            yield last + b"\n"
        last = line
    if last is not None:
        yield last + _LINE_ENDS[crc32(plan.id.encode()) % len(_LINE_ENDS)]


def outputs(plan: JobPlan, job: Job) -> list[dict[str, Any]]:
    """The property that `inline=true` adds to a job that is over: the lines of its output file, in the order of the input."""
    counters, writer = Counters(job.succeeded_requests, job.failed_requests), LineWriter(plan, job.model)
    found = sorted(completions(plan, job.completed_requests), key=lambda completion: completion.place)
    lines = (writer.write(completion) for completion in found if file_of(completion, counters) == "output")
    return [msgspec.json.decode(line) for line in lines]


def file_of(completion: Completion, counters: Counters) -> str:
    """Which file has the line: "output" or "error"."""
    if completion.failed is None or (counters.succeeded and is_in_output(completion.failed)):
        return "output"
    return "error"


def request_lines(plan: JobPlan) -> Iterator[bytes]:
    """The lines of a job's input file, if it was not uploaded."""
    bodies = [msgspec.json.encode(request(plan.endpoint, variant)) for variant in range(VARIANTS)]
    for place in range(plan.requests):
        yield b'{"custom_id":%b,"body":%b}\n' % (custom_id(plan, place), bodies[place % VARIANTS])


def custom_id(plan: JobPlan, place: int) -> bytes:
    """The ID that the client gave to a request, as JSON: its place, if the client gave none."""
    return msgspec.json.encode(plan.custom_ids[place] if plan.custom_ids else str(place))


class Template:
    """A body, as JSON, that differs from line to line in an ID if it has one."""

    __slots__ = ("_parts",)

    def __init__(self, body: bytes) -> None:
        self._parts = body.split(ID.encode())

    def filled(self, id_: bytes) -> bytes:
        return id_.join(self._parts)


class LineWriter:
    """Writes the lines of one job; what the lines have in common is written once, so that large files are fast."""

    def __init__(self, plan: JobPlan, model: str | None) -> None:
        self._plan = plan
        self._batch = b"batch-" + plan.id.encode()[:8]
        self._uuid = str(uuid5(NAMESPACE_OID, f"lines of {plan.id}"))[:24].encode()
        bodies = (answer(plan.endpoint, model, variant, plan.answer_length) for variant in range(VARIANTS))
        self._templates = [Template(msgspec.json.encode(body)) for body in bodies]

    def write(self, completion: Completion) -> bytes:
        """The line, without a line end."""
        place = completion.place
        uuid = b"%b%012x" % (self._uuid, place)
        id_ = b"%b-%d-%b" % (self._batch, place + 1, uuid)
        name = custom_id(self._plan, place)
        if completion.failed is not None:
            return self._failed(completion.failed, id_, name)
        body = self._templates[place % VARIANTS].filled(uuid.replace(b"-", b""))
        return b'{"id":"%b","custom_id":%b,"response":{"status_code":200,"body":%b},"error":null}' % (id_, name, body)

    def _failed(self, number: int, id_: bytes, name: bytes) -> bytes:
        failed = failure(self._plan.id, number, every=self._plan.every_failure)
        shown: dict[str, Any] = {"given": {"custom_id": msgspec.Raw(name)}, "null": {"custom_id": None}, "absent": {}}
        return msgspec.json.encode({"id": id_.decode()} | shown[failed.custom_id] | dict(failed.line))


def _stride(requests: int) -> int:
    """A step that visits every place once."""
    stride = max(1, int(requests * _GOLDEN))
    while gcd(stride, requests) > 1:
        stride += 1
    return stride
