"""Owns the verification of a received file: by Content-Length, by the API's facts about it, and by its last line."""

from collections.abc import Iterator

from tracker.core.results.result_file import FileFacts
from tracker.results.content_pipeline import Received


def contradiction(received: Received, announced: int | None, facts: FileFacts | None) -> str | None:
    """Why the file is incomplete or is not the one that the API describes; None if nothing contradicts it.

    `announced` is the Content-Length. Without it and without `facts` the length of the file is unknown, which is doubtful too.
    """
    return "; ".join(_contradictions(received, announced, facts)) or None


def is_whole(received: Received, announced: int | None) -> bool:
    """Whether the number of received bytes is the Content-Length, even if the API's facts contradict it."""
    return announced is not None and received.bytes == announced


def _contradictions(received: Received, announced: int | None, facts: FileFacts | None) -> Iterator[str]:
    analysis = received.analysis
    if announced is not None and announced != received.bytes:
        yield f"expected {announced} bytes by Content-Length, received {received.bytes}"
    if announced is None and facts is None:
        yield "the length of the file is unknown"
    if facts and facts.bytes is not None and facts.bytes != received.bytes:
        yield f"expected {facts.bytes} bytes by the API, received {received.bytes}"
    if facts and facts.lines is not None and facts.lines not in (analysis.lines, analysis.lines + analysis.blank_lines):
        yield f"expected {facts.lines} lines by the API, received {analysis.lines}"
    if not analysis.last_line_readable:
        yield "its last line is not a complete JSON object"
