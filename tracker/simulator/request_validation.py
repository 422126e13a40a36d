"""Owns reading what a client sends: the parameters of a list, the body of a creation, and what is wrong with them.

Limits are those of Mistral's public API description; an invalid value is answered in the shape of its 422.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.datastructures import QueryParams

from tracker.simulator.population import WISHES
from tracker.simulator.workspace import Query

LARGEST_PAGE: Final = 1000
REQUESTS_OF_A_FILE: Final = 100
"""So many requests an input file is taken to have: files are not uploaded here."""

_KNOWN: Final = {
    "page", "page_size", "model", "agent_id", "metadata", "created_after", "created_by_me", "status", "order_by"
}  # fmt: skip


class Invalid(Exception):  # noqa: N818 - answered with 422, not a failure of ours
    """A parameter that the API would refuse; `details` are those of the answer."""

    def __init__(self, where: tuple[str, ...], found: object, expected: str) -> None:
        super().__init__(f"{'.'.join(where)}: found {found!r}, expected {expected}")
        self.details = [{"type": "value_error", "loc": list(where), "msg": f"expected {expected}", "input": found}]


class InlineRequest(msgspec.Struct):
    body: dict[str, Any]
    custom_id: str | None = None


class Submission(msgspec.Struct):
    """The body of `POST /v1/batch/jobs`."""

    endpoint: Annotated[str, Meta(pattern="^/v1/")]
    input_files: list[str] | None = None
    requests: Annotated[list[InlineRequest], Meta(max_length=10_000)] | None = None
    model: str | None = None
    agent_id: str | None = None
    metadata: dict[Annotated[str, Meta(max_length=32)], Annotated[str, Meta(max_length=512)]] | None = None
    timeout_hours: Annotated[int, Meta(ge=1, le=168)] = 24

    @property
    def end(self) -> str | None:
        """How the job is to end, or what is wrong with it: `metadata.simulate`, one of `WISHES`."""
        return (self.metadata or {}).get("simulate")

    def properties(self, speed: float) -> dict[str, Any]:
        """The properties of the plan that the submission decides."""
        inline = self.requests or []
        return {
            "endpoint": self.endpoint,
            "model": self.model,
            "agent_id": self.agent_id,
            "metadata": self.metadata or {},
            "input_files": tuple(self.input_files or ()),
            "custom_ids": tuple(each.custom_id or str(number) for number, each in enumerate(inline)),
            "requests": len(inline) or REQUESTS_OF_A_FILE * len(self.input_files or ()),
            "timeout": self.timeout_hours * 3600 / speed,
        }


def parse_submission(body: bytes) -> Submission:
    try:
        submission = msgspec.json.decode(body, type=Submission)
    except msgspec.DecodeError as error:
        raise Invalid(("body",), None, str(error)) from None
    if bool(submission.input_files) == bool(submission.requests):
        raise Invalid(("body", "input_files"), submission.input_files, "either input_files or requests")
    if not (submission.model or submission.agent_id):
        raise Invalid(("body", "model"), submission.model, "a model or an agent_id")
    if submission.end not in (None, *WISHES):
        raise Invalid(("body", "metadata", "simulate"), submission.end, f"one of {', '.join(WISHES)}")
    return submission


def parse_listing(given: QueryParams) -> tuple[Query, int, int]:
    """The query, the number of its page (from 0) and the page's size."""
    order = given.get("order_by", "-created")
    if order not in ("created", "-created"):
        raise Invalid(("query", "order_by"), order, "created or -created")
    query = Query(
        statuses=tuple(given.getlist("status")),
        model=given.get("model"),
        agent_id=given.get("agent_id"),
        metadata=_metadata(given),
        created_after=_moment(given.get("created_after")),
        mine=_flag(given.get("created_by_me", "false")),
        newest_first=order == "-created",
    )
    return query, _number(given, "page", 0, 0, 10**9), _number(given, "page_size", 100, 1, LARGEST_PAGE)


def _metadata(given: QueryParams) -> Mapping[str, str]:
    """Metadata is asked for as JSON, or, by the official client, as parameters of any other name."""
    try:
        named = json.loads(given.get("metadata", "{}"))
    except ValueError:
        named = None
    if not isinstance(named, dict):
        raise Invalid(("query", "metadata"), given["metadata"], "a JSON object")
    return named | {name: value for name, value in given.items() if name not in _KNOWN}


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(("query", "created_after"), text, "an ISO 8601 date and time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise Invalid(("query", "created_by_me"), text, "true or false")
    return text.lower() in ("true", "1")


def _number(given: QueryParams, name: str, default: int, least: int, most: int) -> int:
    text = given.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise Invalid(("query", name), text, f"a whole number from {least} to {most}")
    return int(text)
