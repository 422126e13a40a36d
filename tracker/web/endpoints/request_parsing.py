"""Owns request parsing: path, query, headers and body become values; each error names its parameter."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, inspect
from starlette.requests import ClientDisconnect, Request

from tracker.core.events.event import iso
from tracker.core.queries.name_suggestions import did_you_mean
from tracker.web.endpoints.problem_details import Refusal

BODY_LIMIT: Final = 64 * 1024
"""Bytes."""

Text = Annotated[str, Meta(max_length=256)]
OfAccount = Annotated[str, Meta(max_length=256, description="An account by its name: only what is of it")]
OfJob = Annotated[str, Meta(max_length=256, description="A job by its whole ID: only what is about it")]
JobId = Annotated[str, Meta(max_length=256, description="The job's whole ID")]
ReceiverName = Annotated[str, Meta(max_length=256, description="A receiver, by its name")]
Provider = Annotated[str, Meta(max_length=256, description="A vendor, such as `mistral`: only its jobs")]
Glob = Annotated[str, Meta(max_length=256, description="A glob: *, ?, [abc], [!abc]")]
Statuses = Annotated[tuple[Text, ...], Meta(max_length=16, description="Statuses of jobs, one of which must match")]
Moment = Annotated[
    str, Meta(max_length=40, description="ISO 8601: 2025-06-25T14:20:10Z", extra_json_schema={"format": "date-time"})
]

Parsed = TypeVar("Parsed", bound=msgspec.Struct)

_INVALID_CHOICE: Final = "Invalid enum value"

_ERROR_PATH: Final = re.compile(r" - at `\$\.?([a-z_-]*)[^`]*`$")


async def path(request: Request, type_: type[Parsed]) -> Parsed:
    """The parameters of the path."""
    return _convert(request.path_params, type_)


async def header(request: Request, type_: type[Parsed]) -> Parsed:
    """The headers with the names of its fields."""
    names = [field.encode_name for field in msgspec.structs.fields(type_)]
    return _convert({name: request.headers[name] for name in names if name in request.headers}, type_)


async def query(request: Request, type_: type[Parsed]) -> Parsed:
    """The query. A parameter whose default is a tuple may be repeated."""
    try:
        pairs = parse_qsl(request.scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refusal(422, "the query: expected UTF-8, percent-encoded") from None
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            raise Refusal(422, f"{name}: unknown parameter, expected {_one_of(name, [*fields])}")
        if fields[name].default == ():
            values.setdefault(name, []).append(value)
        elif name in values:
            raise Refusal(422, f"{name}: found it twice, expected it once")
        else:
            values[name] = value
    return _convert(values, type_)


def moment(name: str, value: str) -> str:
    """A time with its offset, in the form of `core.events.event.iso`."""
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(value.upper())
        if found.tzinfo is not None:
            return iso(round(found.astimezone(UTC).timestamp() * 1000))
    raise Refusal(422, f"{name}: found {value!r}, expected a time with its offset, such as 2025-06-25T14:20:10Z")


async def body(request: Request, type_: type[Parsed]) -> Parsed:
    """The JSON body as a value of `type_`."""
    _require_media_type(request, "application/json")
    try:
        return msgspec.json.decode(await whole_body(request), type=type_)
    except msgspec.ValidationError as error:
        raise Refusal(422, str(error)) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refusal(400, f"expected JSON: {error}") from None


async def form(request: Request) -> dict[str, str]:
    """The fields of a form."""
    _require_media_type(request, "application/x-www-form-urlencoded")
    with suppress(ValueError):
        return dict(parse_qsl((await whole_body(request)).decode(), keep_blank_values=True, max_num_fields=20))
    raise Refusal(400, "expected a form, UTF-8 and percent-encoded")


async def whole_body(request: Request) -> bytes:
    found = bytearray()
    try:
        async for chunk in request.stream():
            found += chunk
            if len(found) > BODY_LIMIT:
                raise Refusal(413, f"expected at most {BODY_LIMIT} bytes")
    except ClientDisconnect:
        raise Refusal(400, "the body ended early") from None
    return bytes(found)


def _require_media_type(request: Request, media_type: str) -> None:
    found = request.headers.get("content-type", "")
    if found.partition(";")[0].strip().lower() != media_type:
        raise Refusal(415, f"found content-type {found!r}, expected {media_type}")


def _convert(values: Mapping[str, Any], type_: type[Parsed]) -> Parsed:
    try:
        return msgspec.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        where = _ERROR_PATH.search(str(error))
        name = where[1] if where else ""
        message = _ERROR_PATH.sub("", str(error)).replace("Expected", "expected", 1)
        if message.startswith(_INVALID_CHOICE):
            raise Refusal(422, f"{name}: {_describe_choice_error(values[name], choices_of(type_, name))}") from None
        found = f"found {values[name]!r}, " if name in values else ""
        raise Refusal(422, f"{name}: {found}{message}" if name else message) from None


def choices_of(type_: type[msgspec.Struct], name: str) -> list[str]:
    """The values that the field allows, if its type lists them."""
    field = next(each for each in inspect.type_info(type_).fields if each.encode_name == name)  # type: ignore[attr-defined]
    return [*_values_of(field.type)]


def _values_of(type_: inspect.Type) -> Iterator[str]:
    match type_:
        case inspect.LiteralType(values=values):
            yield from map(str, values)
        case inspect.EnumType(cls=cls):
            yield from (str(each.value) for each in cls)
        case inspect.UnionType(types=types):
            for each in types:
                yield from _values_of(each)
        case inspect.VarTupleType(item_type=item) | inspect.Metadata(type=item):
            yield from _values_of(item)


def _describe_choice_error(given: str | list[str], choices: list[str]) -> str:
    wrong = given if isinstance(given, str) else next((each for each in given if each not in choices), "")
    return f"found {wrong!r}, expected {_one_of(wrong, choices)}"


def _one_of(found: str, choices: list[str]) -> str:
    near = did_you_mean(found, choices)
    return f"one of {', '.join(choices)}" + (f"; did you mean {near!r}?" if near else "")


async def caller(request: Request, type_: type[Parsed]) -> Parsed:
    """What the request guard found out: whether the sender may read, and which client it is."""
    state = request.scope["state"]
    return _convert({"may_read": state["may_read"], "client": state["client"]}, type_)


async def unread_body(request: Request, _: type[msgspec.Struct]) -> Callable[[], Awaitable[bytes]]:
    """What reads the body, for an endpoint that first decides whether it is to be read."""
    return partial(whole_body, request)


Part = Literal["path", "query", "header", "body", "unread_body", "caller"]
PARSERS: Final[Mapping[Part, Callable[[Request, type[Any]], Awaitable[Any]]]] = {
    "path": path,
    "query": query,
    "header": header,
    "body": body,
    "unread_body": unread_body,
    "caller": caller,
}
"""The parser of each part of a request."""
