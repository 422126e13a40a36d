"""Owns reading a result file while it streams by: its lines, its failed requests, its usage.

It never holds more than one line of `LONGEST_LINE` bytes and one chunk, and what it finds does not depend on how the file is
cut into chunks. It is not bound to a thread, as long as one thread at a time uses it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from tracker.core.jobs.job import Job
from tracker.core.results.anthropic_and_gemini_lines import in_usual_shape
from tracker.core.results.failure_digest import Digest, DigestBuilder
from tracker.core.results.result_line import LONGEST_LINE, Line, UnreadableLine, read_line, result_of
from tracker.core.results.usage import Usage, UsageBuilder

_decode_lines: Final = msgspec.json.Decoder(Line).decode_lines


class FileAnalysis(msgspec.Struct, frozen=True):
    """The analysis of one file. `lines` counts those that are not blank.

    `last_line_readable` is False if the last one is no JSON object, as in a file that was cut; True if there is none.
    """

    lines: int
    blank_lines: int
    last_line_readable: bool
    failures: DigestBuilder
    usage: UsageBuilder


class Analyzer:
    """Reads one file, fed with its content in chunks of any size."""

    def __init__(self, model: str | None = None, *, samples: bool = True) -> None:
        """`model` is the job's, for answers that name none; `samples`: keep original messages of failed requests."""
        self._failures = DigestBuilder(samples=samples)
        self._usage = UsageBuilder(model)
        self._line = bytearray()
        self._too_long = False
        self._blank_lines = 0
        self._last_line_readable = True

    def feed(self, chunk: bytes) -> None:
        """Read the next chunk of the content."""
        end = chunk.rfind(b"\n") + 1
        if end:
            self._end_lines(chunk[:end])
            chunk = chunk[end:]
        self._line += chunk
        if len(self._line) > LONGEST_LINE:
            self._too_long = True
            self._line.clear()

    def finish(self) -> FileAnalysis:
        """The analysis of the file; the last line may lack its line feed."""
        if self._line or self._too_long:
            self._end_lines(b"\n")
        return FileAnalysis(self._failures.lines, self._blank_lines, self._last_line_readable, self._failures, self._usage)

    def _end_lines(self, ended: bytes) -> None:
        """Read whole lines, of which the first one may have begun in an earlier chunk."""
        if self._too_long:
            self._too_long = False
            self._add_unreadable()
            ended = ended[ended.index(b"\n") + 1 :]
        elif self._line:
            ended = bytes(self._line + ended)
        self._line.clear()
        lines = _decoded(ended)
        if lines is None:
            self._read_each(ended)
        elif lines:
            self._add(lines)

    def _read_each(self, ended: bytes) -> None:
        for raw in ended[:-1].split(b"\n"):
            if not raw or (len(raw) <= LONGEST_LINE and raw.isspace()):
                self._blank_lines += 1
                continue
            line = read_line(raw)
            if isinstance(line, UnreadableLine):
                self._add_unreadable()
            else:
                self._add((line,))

    def _add(self, lines: Sequence[Line]) -> None:
        """Count readable lines; nearly all have succeeded, and cost no more than adding up their usage."""
        count, succeeded = self._usage.add, 0
        for line in lines:
            if line.error is None and line.succeeded and (response := line.response) is not None:
                succeeded += 1
                body = response.body
                if body is None:
                    count(None, None, None)
                else:
                    count(body.model, body.usage, body.usage_info)
            elif (usual := in_usual_shape(line)) is not line:
                self._add((usual,))
            else:
                self._failures.add(result_of(line))
        self._failures.add_succeeded(succeeded)
        self._last_line_readable = True

    def _add_unreadable(self) -> None:
        self._failures.add_unreadable()
        self._last_line_readable = False


def summarize(job: Job, files: Iterable[FileAnalysis], *, complete: bool = True) -> tuple[Digest, Usage]:
    """The digest and the usage of all `files` of `job`; `complete`: they are all that it names."""
    failures, usage = DigestBuilder(), UsageBuilder(job.model)
    for each in files:
        failures.merge(each.failures)
        usage.merge(each.usage)
    return failures.digest(job, complete=complete), usage.usage()


def _decoded(lines: bytes) -> list[Line] | None:
    """The lines, where each is one in a documented shape; None if they are to be read one by one.

    A file that is no JSON Lines, with two objects on one line and as many lines without one, may be counted as if it were.
    """
    if len(lines) > LONGEST_LINE:
        return None
    try:
        decoded = _decode_lines(lines)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return decoded if len(decoded) == lines.count(b"\n") else None
