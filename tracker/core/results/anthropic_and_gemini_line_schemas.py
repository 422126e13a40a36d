"""Owns the shapes of the results of single requests at Anthropic and Gemini, as far as they are read."""

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

Amount = Annotated[int, Meta(ge=0, le=10**9)]
"""Tokens or pages of one request; more is not believed."""


class MessageUsage(msgspec.Struct, frozen=True, gc=False):
    """`usage` of a message of Anthropic's. `input_tokens` are those beside the ones that a cache took or gave."""

    input_tokens: Amount | None = None
    cache_creation_input_tokens: Amount | None = None
    cache_read_input_tokens: Amount | None = None
    output_tokens: Amount | None = None


class Message(msgspec.Struct, frozen=True, gc=False):
    """`message` of a result at Anthropic's."""

    model: str | None = None
    usage: MessageUsage | None = None


class RequestResult(msgspec.Struct, frozen=True, gc=False):
    """`result` of a line of Anthropic's: "succeeded", "errored", "canceled" or "expired"."""

    type: str | None = None
    message: Message | None = None
    error: Any = None


class UsageMetadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`usageMetadata` of a response of Gemini's. The prompt includes what came from a cache; thoughts are output too."""

    prompt_token_count: Amount | None = None
    candidates_token_count: Amount | None = None
    thoughts_token_count: Amount | None = None
    total_token_count: Amount | None = None
    cached_content_token_count: Amount | None = None


def leniently(value: Any, shape: type[T]) -> T | None:
    """The decoded JSON as the shape; None where it is not of that shape."""
    try:
        return msgspec.convert(value, shape, strict=False)
    except msgspec.ValidationError:
        return None
