"""Owns the lines of OpenAI's result files: those that succeeded in the output file, all others in the file of errors.

A request that was not sent before its batch expired has a line too, with the error `batch_expired` and no response.
"""

from collections.abc import Iterator
from itertools import islice
from uuid import NAMESPACE_OID, uuid5
from zlib import crc32

import msgspec

from tracker.simulator.files.generated_bodies import VARIANTS
from tracker.simulator.files.openai_bodies import EXPIRED, FAILURES, answer
from tracker.simulator.files.result_lines import Completion, Template, completions, custom_id, with_line_ends
from tracker.simulator.job_timeline import JobPlan, requests_at


def openai_lines(plan: JobPlan, kind: str, model: str | None) -> Iterator[bytes]:
    """The lines of the "output" or "error" file of a batch that is over, with their line ends."""
    return with_line_ends(plan, _lines(plan, kind, model))


def _lines(plan: JobPlan, kind: str, model: str | None) -> Iterator[bytes]:
    total, succeeded, failed = requests_at(plan, plan.ended)
    writer, sent = _LineWriter(plan, model), succeeded + failed
    for completion in completions(plan, sent):
        if (completion.failed is None) == (kind == "output"):
            yield writer.write(completion)
    if kind == "error" and plan.expires:
        for completion in islice(completions(plan, total), sent, None):
            yield writer.expired(completion)


class _LineWriter:
    """Writes the lines of one batch; what they have in common is written once, so that large files are fast."""

    def __init__(self, plan: JobPlan, model: str | None) -> None:
        self._plan = plan
        self._prefix = uuid5(NAMESPACE_OID, f"lines of {plan.id}").hex[:20].encode()
        self._first = crc32(plan.id.encode())
        bodies = (answer(plan.endpoint, model, variant, plan.answer_length) for variant in range(VARIANTS))
        self._templates = [Template(msgspec.json.encode(body)) for body in bodies]

    def write(self, completion: Completion) -> bytes:
        """The line, without a line end."""
        unique = self._unique(completion)
        if completion.failed is None:
            return self._line(completion, unique, 200, self._templates[completion.place % VARIANTS].filled(unique))
        failure = FAILURES[(self._first + self._kind(completion.failed)) % len(FAILURES)]
        return self._line(completion, unique, failure.status, msgspec.json.encode(failure.body))

    def expired(self, completion: Completion) -> bytes:
        """The line of a request that was not sent."""
        name, error = custom_id(self._plan, completion.place), msgspec.json.encode(EXPIRED)
        return b'{"id":"batch_req_%b","custom_id":%b,"response":null,"error":%b}' % (self._unique(completion), name, error)

    def _line(self, completion: Completion, unique: bytes, status: int, body: bytes) -> bytes:
        name, response = custom_id(self._plan, completion.place), b'{"status_code":%d,"request_id":"%b","body":%b}'
        return b'{"id":"batch_req_%b","custom_id":%b,"response":%b,"error":null}' % (
            unique,
            name,
            response % (status, unique, body),
        )

    def _kind(self, number: int) -> int:
        """Two kinds of failures alternate, unless the batch has all of them."""
        return number if self._plan.every_failure else number % 2

    def _unique(self, completion: Completion) -> bytes:
        return b"%b%012x" % (self._prefix, completion.place)
