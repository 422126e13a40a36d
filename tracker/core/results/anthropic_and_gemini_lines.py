"""Owns the lines of Anthropic and Gemini in the usual shape, in which all results are counted.

Anthropic's line has a `result` of one of four types; a canceled or expired request has failed. Gemini's has a `key` for an ID,
and a `response`, or an `error` or `status` with what went wrong.
"""

from typing import Any, Final

from tracker.core.results.anthropic_and_gemini_line_schemas import MessageUsage, RequestResult, UsageMetadata
from tracker.core.results.result_line import Body, Line, Response, TokenUsage

SUCCEEDED: Final = "succeeded"
ERRORED: Final = "errored"
_UNPROCESSED: Final = {"canceled": "The request was canceled", "expired": "The request expired"}


def in_usual_shape(line: Line) -> Line:
    """The line as Mistral's or OpenAI's would be; these are not changed."""
    if line.result is not None:
        return Line(line.custom_id, _error(line.result), _message(line.result))
    if line.key is not None or (line.response is not None and line.response.usage_metadata is not None):
        return _geminis(line)
    return line


def _error(result: RequestResult) -> Any:
    if result.type == SUCCEEDED:
        return None
    if result.type == ERRORED:
        inner = result.error.get("error") if isinstance(result.error, dict) else None
        return inner or result.error or {"type": ERRORED}
    return {"message": _UNPROCESSED.get(result.type or "", f"a result of type {result.type}"), "type": result.type}


def _message(result: RequestResult) -> Response | None:
    message = result.message
    if result.type != SUCCEEDED:
        return None
    if message is None:
        return Response(body=Body())
    return Response(body=Body(message.model, _message_usage(message.usage) if message.usage else None))


def _message_usage(usage: MessageUsage) -> TokenUsage:
    cached = usage.cache_read_input_tokens
    prompt = (usage.input_tokens or 0) + (usage.cache_creation_input_tokens or 0) + (cached or 0)
    return TokenUsage(prompt_tokens=prompt, completion_tokens=usage.output_tokens, cached_tokens=cached)


def _geminis(line: Line) -> Line:
    custom_id = line.custom_id if line.custom_id is not None else line.key
    if error := line.error or line.status:
        return Line(custom_id, error)
    if line.response is None:
        return Line(custom_id)
    usage = line.response.usage_metadata
    return Line(custom_id, None, Response(body=Body(line.response.model_version, _content_usage(usage) if usage else None)))


def _content_usage(usage: UsageMetadata) -> TokenUsage:
    return TokenUsage(
        prompt_tokens=usage.prompt_token_count,
        completion_tokens=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        total_tokens=usage.total_token_count,
        cached_tokens=usage.cached_content_token_count,
    )
