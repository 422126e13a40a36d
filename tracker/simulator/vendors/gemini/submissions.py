"""Owns reading the bodies of creations and uploads at Gemini's simulated API."""

from typing import Any

import msgspec

from tracker.simulator.files.content import Content
from tracker.simulator.random_job_plans import SIMULATE_VALUES
from tracker.simulator.request_parsing.shared_parameters import Invalid

ASKED: str = "simulate="
"""What follows it in a display name says how the batch is to end, and what is wrong with it."""


class InlinedRequests(msgspec.Struct):
    requests: list[dict[str, Any]]


class InputConfig(msgspec.Struct, rename="camel"):
    file_name: str | None = None
    requests: InlinedRequests | None = None


class Batch(msgspec.Struct, rename="camel"):
    input_config: InputConfig
    display_name: str = ""

    @property
    def end(self) -> str | None:
        """How the job is to end and what is wrong with it, of `SIMULATE_VALUES` with commas between."""
        _, asked, values = self.display_name.partition(ASKED)
        return values if asked else None


class BatchCreation(msgspec.Struct):
    """The body of `POST /v1beta/models/{model}:batchGenerateContent`."""

    batch: Batch


class _Line(msgspec.Struct):
    key: str | None = None


def parse_creation(body: bytes) -> Batch:
    """Raises `Invalid` as the API would refuse it."""
    try:
        batch = msgspec.json.decode(body, type=BatchCreation).batch
    except msgspec.DecodeError as error:
        raise Invalid(("body",), None, str(error)) from None
    if (batch.input_config.file_name is None) == (batch.input_config.requests is None):
        raise Invalid(("body", "batch", "inputConfig"), None, "either fileName or requests")
    if batch.end is not None and not {*batch.end.split(",")} <= {*SIMULATE_VALUES}:
        raise Invalid(("body", "batch", "displayName"), batch.end, f"{ASKED} and one or more of {', '.join(SIMULATE_VALUES)}")
    return batch


def keys_of(content: Content) -> tuple[str, ...]:
    """The key of each request of an input file, its number where it has none."""
    lines = [line for line in b"".join(content.chunks(0, content.size)).split(b"\n") if line.strip()]
    return tuple(_key(line) or str(place) for place, line in enumerate(lines))


def _key(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_Line).key
    except msgspec.DecodeError:
        return None
