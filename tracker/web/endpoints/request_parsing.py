"""Owns the parsing of requests: query and body as values; each mistake names its parameter."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, inspect
from starlette.requests import ClientDisconnect, Request

from tracker.core.events.event import iso
from tracker.core.queries.names import did_you_mean
from tracker.web.access.policy import client_of
from tracker.web.endpoints.problem_details import Refusal

BODY_LIMIT: Final = 64 * 1024
"""Bytes."""

Text = Annotated[str, Meta(max_length=256)]
Glob = Annotated[str, Meta(max_length=256, description="A glob: *, ?, [abc], [!abc]")]
Moment = Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time"})]

Asked = TypeVar("Asked", bound=msgspec.Struct)

_NO_CHOICE: Final = "Invalid enum value"

_AT: Final = re.compile(r" - at `\$\.?([a-z_-]*)[^`]*`$")


async def path(request: Request, type_: type[Asked]) -> Asked:
    """What the path names."""
    return _converted(request.path_params, type_)


async def header(request: Request, type_: type[Asked]) -> Asked:
    """The headers that are its fields."""
    names = [field.encode_name for field in msgspec.structs.fields(type_)]
    return _converted({name: request.headers[name] for name in names if name in request.headers}, type_)


async def query(request: Request, type_: type[Asked]) -> Asked:
    """The query. A parameter that may be repeated is one whose default is a tuple."""
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
    return _converted(values, type_)


def moment(name: str, value: str) -> str:
    """A time with its offset, as `core.event.iso` writes it."""
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(value.upper())
        if found.tzinfo is not None:
            return iso(round(found.astimezone(UTC).timestamp() * 1000))
    raise Refusal(422, f"{name}: found {value!r}, expected a time with its offset, such as 2025-06-25T14:20:10Z")


async def body(request: Request, type_: type[Asked]) -> Asked:
    """The body, JSON, as a value of `type_`."""
    _expect(request, "application/json")
    try:
        return msgspec.json.decode(await whole_body(request), type=type_)
    except msgspec.ValidationError as error:
        raise Refusal(422, str(error)) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refusal(400, f"expected JSON: {error}") from None


async def form(request: Request) -> dict[str, str]:
    """The fields of a form."""
    _expect(request, "application/x-www-form-urlencoded")
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


def _expect(request: Request, media_type: str) -> None:
    found = request.headers.get("content-type", "")
    if found.partition(";")[0].strip().lower() != media_type:
        raise Refusal(415, f"found content-type {found!r}, expected {media_type}")


def _converted(values: Mapping[str, Any], type_: type[Asked]) -> Asked:
    try:
        return msgspec.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        where = _AT.search(str(error))
        name = where[1] if where else ""
        message = _AT.sub("", str(error)).replace("Expected", "expected", 1)
        if message.startswith(_NO_CHOICE):
            raise Refusal(422, f"{name}: {_wrong_choice(values[name], choices_of(type_, name))}") from None
        found = f"found {values[name]!r}, " if name in values else ""
        raise Refusal(422, f"{name}: {found}{message}" if name else message) from None


def choices_of(type_: type[msgspec.Struct], name: str) -> list[str]:
    """The values that the field takes, where its type lists them."""
    field = next(each for each in inspect.type_info(type_).fields if each.encode_name == name)  # type: ignore[attr-defined]
    return [*_listed(field.type)]


def _listed(type_: inspect.Type) -> Iterator[str]:
    match type_:
        case inspect.LiteralType(values=values):
            yield from map(str, values)
        case inspect.EnumType(cls=cls):
            yield from (str(each.value) for each in cls)
        case inspect.UnionType(types=types):
            for each in types:
                yield from _listed(each)
        case inspect.VarTupleType(item_type=item) | inspect.Metadata(type=item):
            yield from _listed(item)


def _wrong_choice(given: str | list[str], choices: list[str]) -> str:
    wrong = given if isinstance(given, str) else next((each for each in given if each not in choices), "")
    return f"found {wrong!r}, expected {_one_of(wrong, choices)}"


def _one_of(found: str, choices: list[str]) -> str:
    near = did_you_mean(found, choices)
    return f"one of {', '.join(choices)}" + (f"; did you mean {near!r}?" if near else "")


async def caller(request: Request, type_: type[Asked]) -> Asked:
    """What is known of the sender: whether the guard lets it read, and which client it is."""
    return _converted({"may_read": request.scope["state"]["may_read"], "client": client_of(request)}, type_)


Where = Literal["path", "query", "header", "body", "caller"]
READ: Final[Mapping[Where, Callable[[Request, type[Any]], Awaitable[Any]]]] = {
    "path": path,
    "query": query,
    "header": header,
    "body": body,
    "caller": caller,
}
"""How each part of a request is read."""
