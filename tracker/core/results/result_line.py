"""Owns one line of a result file: its usage if the request succeeded, else the failure.

A line in a documented shape, of values that can do no harm, is decoded in one pass into a `Line`. Any other line is read again,
as leniently as possible, into the same value. A request has failed where the line has an `error` (a text or an object), where
its response has a status of 400 or more, or where there is no response. Such a line may stand in either file.
"""

import json
import math
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from tracker.core.errors.api_error_messages import first_text, message_of
from tracker.core.results.anthropic_and_gemini_line_schemas import Amount, RequestResult, UsageMetadata, leniently

LONGEST_LINE: Final = 8 * 1024 * 1024
"""Bytes without the line feed. OCR puts images into lines, so that these are far longer than texts."""

_LONGEST_TEXT: Final = 10_000
"""Characters of a message that are read."""

_NO_RESPONSE: Final = "no response"
_NO_MESSAGE: Final = "an error without a message"


class TokenDetails(msgspec.Struct, frozen=True, gc=False):
    """Details of the tokens of a prompt."""

    cached_tokens: Amount | None = None


class TokenUsage(msgspec.Struct, frozen=True, gc=False):
    """`usage` of an answer. OpenAI's newer endpoints say `input_tokens` and `output_tokens`; cached ones are of these."""

    prompt_tokens: Amount | None = None
    completion_tokens: Amount | None = None
    total_tokens: Amount | None = None
    cached_tokens: Amount | None = None
    input_tokens: Amount | None = None
    output_tokens: Amount | None = None
    prompt_tokens_details: TokenDetails | None = None
    input_tokens_details: TokenDetails | None = None

    @property
    def cached(self) -> int | None:
        """How many tokens of the prompt came from a cache; None if that is unknown."""
        details = self.prompt_tokens_details or self.input_tokens_details
        return self.cached_tokens if details is None else details.cached_tokens


class PageUsage(msgspec.Struct, frozen=True, gc=False):
    """`usage_info` of an answer of OCR."""

    pages_processed: Amount | None = None


class Body(msgspec.Struct, frozen=True, gc=False):
    """The parts of the answer to a request that are read: its usage and, if it is an error, the error."""

    model: str | None = None
    usage: TokenUsage | None = None
    usage_info: PageUsage | None = None
    message: Any = None
    error: Any = None
    detail: Any = None
    code: Any = None
    type: Any = None


class Response(msgspec.Struct, frozen=True, gc=False):
    """`response` of a line. The last two are Gemini's, which has no body."""

    status_code: int | None = None
    body: Body | None = None
    usage_metadata: UsageMetadata | None = msgspec.field(default=None, name="usageMetadata")
    model_version: str | None = msgspec.field(default=None, name="modelVersion")


class Line(msgspec.Struct, frozen=True, gc=False):
    """The parts of a line that are read, as in its JSON. `anthropic_and_gemini_lines` has what the last three mean."""

    custom_id: str | None = None
    error: Any = None
    response: Response | None = None
    result: RequestResult | None = None
    key: str | None = None
    status: Any = None

    @property
    def succeeded(self) -> bool:
        response = self.response
        if response is None or not (self.error is None or self.error in _NO_ERRORS):
            return False
        return response.body is not None if response.status_code is None else response.status_code < 400


class ResultLine(NamedTuple):
    """One request and its result. `message` is its failure; None is success. Absent values are None."""

    custom_id: str | None
    status: int | None
    code: str | None
    message: str | None
    model: str | None = None
    usage: TokenUsage | None = None
    pages: int | None = None


class UnreadableLine(NamedTuple):
    """A line that is not a JSON object, and why; nothing of its content is in `reason`."""

    reason: str


_NO_ERRORS: Final[tuple[Any, ...]] = ("", False, {}, [])
_AMOUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "input_tokens", "output_tokens")
_Unreadable: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_decode: Final = msgspec.json.Decoder(Line).decode


def parse_line(raw: bytes) -> ResultLine | UnreadableLine:
    """Read one line, which is not blank."""
    line = read_line(raw)
    return line if isinstance(line, UnreadableLine) else result_of(line)


def read_line(raw: bytes) -> Line | UnreadableLine:
    """Decode one line, which is not blank; one of more than `LONGEST_LINE` bytes is unreadable."""
    if len(raw) > LONGEST_LINE:
        return UnreadableLine("too long")
    with suppress(*_Unreadable):
        return _decode(raw)
    try:
        found = json.loads(raw.decode("utf-8-sig", "replace"), strict=False)
    except RecursionError:
        return UnreadableLine("nested too deeply")
    except ValueError:
        return UnreadableLine("not JSON")
    return _line(found) if isinstance(found, dict) else UnreadableLine("not an object")


def result_of(line: Line) -> ResultLine:
    """The value of the line."""
    body, status = line.response.body if line.response else None, _status(line.response)
    model = body.model if body else None
    if line.succeeded:
        pages = body.usage_info.pages_processed if body and body.usage_info else None
        return ResultLine(line.custom_id, status, None, None, model, body.usage if body else None, pages)
    return ResultLine(line.custom_id, status, _code(line, body), _message(line, body, status), model)


def _status(response: Response | None) -> int | None:
    status = response.status_code if response else None
    return status if status is not None and 100 <= status <= 599 else None


def _message(line: Line, body: Body | None, status: int | None) -> str:
    for part in (line.error, body.message, body.error, body.detail) if body else (line.error,):
        if part and (text := first_text(part)) and (message := _plain(text[:_LONGEST_TEXT])):
            return message
    if status is not None:
        return f"HTTP {status}"
    return _NO_RESPONSE if line.response is None and not line.error else _NO_MESSAGE


def _plain(text: str) -> str:
    """`text`, or the message in it where it is itself JSON or HTML."""
    text = text.strip()
    return message_of(text) if text[:1] in ("{", "[", "<") else text


def _code(line: Line, body: Body | None) -> str | None:
    """The code of the error or, if it has none, its type."""
    found = _codes(line.error)
    if body:
        found += (body.code, body.type, *_codes(body.error))
    return next((str(each) for each in found if each and isinstance(each, str | int) and each is not True), None)


def _codes(error: Any) -> tuple[Any, ...]:
    return (error.get("code"), error.get("type")) if isinstance(error, dict) else ()


def _line(found: dict[str, Any]) -> Line:
    """A response that is no object counts as an error."""
    error, response = found.get("error"), found.get("response")
    is_object = isinstance(response, dict)
    return Line(
        _text(found.get("custom_id")),
        error if is_object else error or response,
        _response(response) if isinstance(response, dict) else None,
        _result(found.get("result")),
        _text(found.get("key")),
        found.get("status"),
    )


def _result(found: Any) -> RequestResult | None:
    """A result that cannot be read in full still says whether the request succeeded."""
    if not isinstance(found, dict):
        return None
    return leniently(found, RequestResult) or RequestResult(_text(found.get("type")), error=found.get("error"))


def _response(found: dict[str, Any]) -> Response:
    body = found.get("body")
    return Response(
        _whole(found.get("status_code")),
        _body(body) if body is not None else None,
        leniently(found.get("usageMetadata"), UsageMetadata),
        _text(found.get("modelVersion")),
    )


def _body(found: Any) -> Body:
    """A value that is no object counts as a message."""
    if not isinstance(found, dict):
        return Body(message=found)
    usage, info = found.get("usage"), found.get("usage_info")
    return Body(
        model=_text(found.get("model")),
        usage=_usage(usage) if isinstance(usage, dict) else None,
        usage_info=PageUsage(_amount(info.get("pages_processed"))) if isinstance(info, dict) else None,
        **{name: found.get(name) for name in ("message", "error", "detail", "code", "type")},
    )


def _usage(found: dict[str, Any]) -> TokenUsage:
    amounts: dict[str, Any] = {name: _amount(found.get(name)) for name in _AMOUNTS}
    details = {name: _details(found.get(name)) for name in ("prompt_tokens_details", "input_tokens_details")}
    return TokenUsage(**amounts | details)


def _details(found: Any) -> TokenDetails | None:
    return TokenDetails(_amount(found.get("cached_tokens"))) if isinstance(found, dict) else None


def _text(value: Any) -> str | None:
    """A text, or a number as text."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _amount(value: Any) -> int | None:
    number = _whole(value)
    return number if number is not None and 0 <= number <= 10**9 else None


def _whole(value: Any) -> int | None:
    """The whole number that a number or a text of digits is."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
