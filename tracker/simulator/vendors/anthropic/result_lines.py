"""Owns the lines of Anthropic's simulated results: for each request of a batch, in no order, a result of one of four types."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tracker.simulator.failed_result_lines import failure
from tracker.simulator.files.generated_bodies import VARIANTS, text_of
from tracker.simulator.files.result_lines import completions, custom_id
from tracker.simulator.job_timeline import JobPlan
from tracker.simulator.vendors.anthropic.batch_objects import end_counts

DEFAULT_MODEL: Final = "claude-sonnet-6"
_ERROR_TYPES: Final = ("invalid_request_error", "overloaded_error", "api_error")


def result_lines(plan: JobPlan) -> Iterator[bytes]:
    """The lines of a batch that has ended, with their line ends: first those that were done, then the rest."""
    counts = end_counts(plan)
    results = iter(("succeeded",) * counts.succeeded + ("errored",) * counts.errored)
    rest = iter(("canceled",) * counts.canceled + ("expired",) * counts.expired)
    messages = [_message(plan, variant) for variant in range(VARIANTS)]
    for number, completion in enumerate(completions(plan, plan.requests)):
        kind = next(results, None) or next(rest)
        yield b'{"custom_id":%b,"result":%b}\n' % (
            custom_id(plan, completion.place),
            _result(plan, kind, number, messages[completion.place % VARIANTS]),
        )


def _result(plan: JobPlan, kind: str, number: int, message: bytes) -> bytes:
    if kind == "succeeded":
        return b'{"type":"succeeded","message":%b}' % message
    if kind != "errored":
        return msgspec.json.encode({"type": kind})
    error = {"type": _ERROR_TYPES[number % len(_ERROR_TYPES)], "message": failure(plan.id, number).message}
    return msgspec.json.encode({"type": kind, "error": {"type": "error", "error": error, "request_id": None}})


def _message(plan: JobPlan, variant: int) -> bytes:
    text = text_of(variant, plan.answer_length)
    message: dict[str, Any] = {
        "id": f"msg_{plan.id.replace('-', '')[:20]}{variant:04}",
        "type": "message",
        "role": "assistant",
        "model": plan.model or DEFAULT_MODEL,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 100 + variant,
            "cache_creation_input_tokens": 10 * (variant % 2),
            "cache_read_input_tokens": 20 * variant,
            "output_tokens": max(1, len(text) // 4),
            "service_tier": "batch",
        },
    }
    return msgspec.json.encode(message)
