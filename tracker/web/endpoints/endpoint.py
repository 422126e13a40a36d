"""Owns the operation: a route with its parameters and responses, declared once for the router and the OpenAPI document."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.core.text.escaping import escape_json_bytes
from tracker.web.endpoints import request_parsing

Schema = dict[str, Any]
Takes = Mapping[request_parsing.Where, type[msgspec.Struct]]
_NOTHING: Final = MappingProxyType[Any, Any]({})


class Answer(NamedTuple):
    """The body of a response: a type, or a JSON Schema; `said` is its description."""

    of: type[msgspec.Struct] | Schema
    said: str
    media_type: str = "application/json"


class Operation(NamedTuple):
    """`handle` gets one value of each type in `takes`, in that order.

    `problems` are the error statuses of this operation, in addition to those of every operation; `otherwise` holds its other
    responses by status.
    """

    method: Literal["GET", "POST"]
    path: str
    name: str
    handle: Callable[..., Awaitable[Response]]
    answer: Answer
    takes: Takes = _NOTHING
    problems: tuple[int, ...] = ()
    otherwise: Mapping[int, Answer] = _NOTHING

    def route(self) -> Route:
        async def endpoint(request: Request) -> Response:
            return await self.handle(
                *[await request_parsing.READ[where](request, type_) for where, type_ in self.takes.items()]
            )

        return Route(self.path, endpoint, methods=[self.method], name=self.name)


def page_of(items: Schema, following: Schema) -> Schema:
    """A page of a list, and what leads to the next one."""
    properties = {
        "object": {"const": "list"},
        "data": {"type": "array", "items": items},
        "next": {"anyOf": [following, {"type": "null"}], "description": "Where to go on; null where nothing is left"},
    }
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def schema_of(type_: Any) -> Schema:
    """The JSON Schema of a type that needs no components."""
    (schema,), _ = msgspec.json.schema_components([type_])
    return schema


def json_response(value: Any) -> Response:
    return Response(escape_json_bytes(msgspec.json.encode(value)), media_type="application/json")
