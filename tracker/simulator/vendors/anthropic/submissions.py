"""Owns reading the body of a creation at Anthropic's simulated API."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tracker.simulator.random_job_plans import SIMULATE_VALUES
from tracker.simulator.request_parsing.shared_parameters import Invalid


class UserMetadata(msgspec.Struct):
    user_id: str | None = None


class MessageParams(msgspec.Struct):
    """The parameters of a request, as far as they are read."""

    model: str
    max_tokens: Annotated[int, Meta(ge=1)]
    messages: list[Any]
    metadata: UserMetadata | None = None


class BatchRequest(msgspec.Struct):
    custom_id: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    params: MessageParams


class BatchCreation(msgspec.Struct):
    """The body of `POST /v1/messages/batches`."""

    requests: Annotated[list[BatchRequest], Meta(min_length=1, max_length=100_000)]

    @property
    def end(self) -> str | None:
        """How the job is to end and what is wrong with it, by the first request's `metadata.user_id`: "simulate=partial"."""
        user = self.requests[0].params.metadata
        asked, _, values = (user.user_id or "" if user else "").partition("=")
        return values if asked == "simulate" else None

    def properties(self, speed: float) -> dict[str, Any]:
        """The properties of the plan that the creation decides."""
        return {
            "endpoint": "/v1/messages",
            "model": self.requests[0].params.model,
            "custom_ids": tuple(each.custom_id for each in self.requests),
            "requests": len(self.requests),
            "timeout": 24 * 3600 / speed,
        }


def parse_creation(body: bytes) -> BatchCreation:
    """Raises `Invalid` as the API would refuse it."""
    try:
        creation = msgspec.json.decode(body, type=BatchCreation)
    except msgspec.DecodeError as error:
        raise Invalid(("body",), None, str(error)) from None
    if len({each.custom_id for each in creation.requests}) < len(creation.requests):
        raise Invalid(("body", "requests"), None, "a custom_id for each request that no other has")
    if creation.end is not None and not {*creation.end.split(",")} <= {*SIMULATE_VALUES}:
        raise Invalid(("body", "metadata", "simulate"), creation.end, f"one or more of {', '.join(SIMULATE_VALUES)}")
    return creation
