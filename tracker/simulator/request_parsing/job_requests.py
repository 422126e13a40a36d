"""Owns reading the requests of jobs: the parameters of a list and the body of a creation.

Limits are those of Mistral's public API description; an invalid value is answered in the shape of its 422.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.datastructures import QueryParams

from tracker.simulator.random_job_plans import SIMULATE_VALUES
from tracker.simulator.request_parsing.shared_parameters import LARGEST_PAGE, Invalid, parse_flag, parse_number
from tracker.simulator.workspace import Query

REQUESTS_OF_A_FILE: Final = 100
"""The number of requests that an input file counts as having if it was not uploaded."""

_KNOWN: Final = {
    "page", "page_size", "model", "agent_id", "metadata", "created_after", "created_by_me", "status", "order_by"
}  # fmt: skip


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
        """How the job is to end and what is wrong with it: `metadata.simulate`, of `SIMULATE_VALUES` with commas between."""
        return (self.metadata or {}).get("simulate")

    def properties(self, speed: float, uploaded: Callable[[str], tuple[str, ...] | None]) -> dict[str, Any]:
        """The properties of the plan that the submission decides; `uploaded` gives the IDs of an uploaded file's requests."""
        files = [uploaded(file_id) for file_id in self.input_files or ()]
        inline = tuple(each.custom_id or str(number) for number, each in enumerate(self.requests or ()))
        is_known = None not in files
        return {
            "endpoint": self.endpoint,
            "model": self.model,
            "agent_id": self.agent_id,
            "metadata": self.metadata or {},
            "input_files": tuple(self.input_files or ()),
            "custom_ids": inline or (tuple(id_ for ids in files for id_ in ids or ()) if is_known else ()),
            "requests": len(inline) or sum(REQUESTS_OF_A_FILE if ids is None else len(ids) for ids in files),
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
    if submission.end is not None and not {*submission.end.split(",")} <= {*SIMULATE_VALUES}:
        raise Invalid(("body", "metadata", "simulate"), submission.end, f"one or more of {', '.join(SIMULATE_VALUES)}")
    return submission


def parse_job_listing(given: QueryParams) -> tuple[Query, int, int]:
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
        mine=parse_flag(given, "created_by_me", default=False),
        newest_first=order == "-created",
    )
    return query, parse_number(given, "page", 0, 0, 10**9), parse_number(given, "page_size", 100, 1, LARGEST_PAGE)


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
