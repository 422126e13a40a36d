"""Owns the lines of Gemini's simulated results: one for each request that was done, whether it succeeded or failed."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tracker.simulator.failed_result_lines import failure
from tracker.simulator.files.generated_bodies import VARIANTS, text_of
from tracker.simulator.files.result_lines import completions, custom_id
from tracker.simulator.job_timeline import JobPlan, job_at

_CODES: Final = ((3, "INVALID_ARGUMENT"), (8, "RESOURCE_EXHAUSTED"), (13, "INTERNAL"))


def result_lines(plan: JobPlan) -> Iterator[bytes]:
    """The lines of a batch that is over, with their line ends."""
    job = job_at(plan, plan.ended + plan.settling)
    responses = [msgspec.json.encode(_response(plan, variant)) for variant in range(VARIANTS)]
    for completion in completions(plan, job.completed_requests):
        key = custom_id(plan, completion.place)
        if completion.failed is None:
            yield b'{"key":%b,"response":%b}\n' % (key, responses[completion.place % VARIANTS])
        else:
            yield b'{"key":%b,%b\n' % (key, msgspec.json.encode(_failed(plan, completion.failed))[1:])


def _failed(plan: JobPlan, number: int) -> dict[str, Any]:
    """The failure, which stands in `error`, or in every third line in `status`."""
    code, _ = _CODES[number % len(_CODES)]
    return {"status" if number % 3 == 2 else "error": {"code": code, "message": failure(plan.id, number).message}}


def _response(plan: JobPlan, variant: int) -> dict[str, Any]:
    text = text_of(variant, plan.answer_length)
    prompt, answered, thoughts = 120 + 17 * variant, max(1, len(text) // 4), 8 * (variant % 3)
    usage = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answered,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + answered + thoughts,
        **({"cachedContentTokenCount": 16 * variant} if variant else {}),
    }
    content = {"role": "model", "parts": [{"text": text}]}
    return {
        "responseId": f"{plan.id[:8]}{variant}",
        "modelVersion": plan.model,
        "candidates": [{"index": 0, "finishReason": "STOP", "content": content}],
        "usageMetadata": usage,
    }
