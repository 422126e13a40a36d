"""Owns the bodies of OpenAI's results: of a success for each endpoint, and of each kind of failure.

Sources: the response models of OpenAI's official client, and the examples of its guide to batches.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tracker.simulator.files.generated_bodies import CREATED, ID, text_of

_TOO_LONG: Final = "This model's maximum context length is 128000 tokens. However, your messages resulted in {} tokens."


class RequestFailure(NamedTuple):
    """The answer to a request that was refused; its body is OpenAI's object of an error."""

    status: int
    message: str
    type: str
    param: str | None = None
    code: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


FAILURES: Final = (
    RequestFailure(400, _TOO_LONG.format(131072), "invalid_request_error", "messages", "context_length_exceeded"),
    RequestFailure(429, "Rate limit reached for gpt-6.", "tokens", None, "rate_limit_exceeded"),
    RequestFailure(400, _TOO_LONG.format(140613), "invalid_request_error", "messages", "context_length_exceeded"),
    RequestFailure(400, "Invalid 'temperature': decimal above maximum value.", "invalid_request_error", "temperature"),
    RequestFailure(500, "The server had an error while processing your request.", "server_error"),
)
EXPIRED: Final = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}
"""What a request has in place of a response that was not sent before the batch expired."""


def answer(endpoint: str, model: str | None, variant: int, length: int) -> dict[str, Any]:
    """The body of a success; its text has at least `length` characters."""
    return _ANSWERS.get(endpoint, _chat)(model or "gpt-6", variant, text_of(variant, length))


def _chat(model: str, variant: int, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    prompt, answered, reasoning = _amounts(variant, text)
    return {
        "id": f"chatcmpl-{ID}",
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": answered,
            "total_tokens": prompt + answered,
            "prompt_tokens_details": {"cached_tokens": 16 * variant, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _responses(model: str, variant: int, text: str) -> dict[str, Any]:
    prompt, answered, reasoning = _amounts(variant, text)
    content = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message = {"id": f"msg_{ID}", "type": "message", "status": "completed", "role": "assistant", "content": [content]}
    return {
        "id": f"resp_{ID}",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 16 * variant, "cache_write_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": prompt + answered,
        },
    }


def _embeddings(model: str, variant: int, text: str) -> dict[str, Any]:
    vector = [round((variant + 1) / (place + 2) - 0.25, 6) for place in range(max(16, len(text) // 10))]
    prompt, _, _ = _amounts(variant, text)
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "model": model,
        "usage": {"prompt_tokens": prompt, "total_tokens": prompt},
    }


def _amounts(variant: int, text: str) -> tuple[int, int, int]:
    """Tokens of the prompt, of the answer, and those of the answer that were spent on reasoning."""
    reasoning = 8 * (variant % 3)
    return 120 + 17 * variant, max(1, len(text) // 4) + reasoning, reasoning


_ANSWERS: Final[Mapping[str, Callable[[str, int, str], dict[str, Any]]]] = {
    "/v1/responses": _responses,
    "/v1/embeddings": _embeddings,
}
