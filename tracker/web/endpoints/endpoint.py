"""Owns the endpoint: a route with its parameters and responses, declared once for the router and the OpenAPI document."""

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
Inputs = Mapping[request_parsing.Part, type[msgspec.Struct]]
_NOTHING: Final = MappingProxyType[Any, Any]({})


class ResponseSpec(NamedTuple):
    """The body of a response, as a type or a JSON Schema (None: it has none), and its description in the OpenAPI document.

    By content negotiation it may also have one of `other_media_types`.
    """

    body: type[msgspec.Struct] | Schema | None
    description: str
    media_type: str = "application/json"
    other_media_types: tuple[str, ...] = ()


class Endpoint(NamedTuple):
    """`handle` gets one value of each type in `inputs`, in that order.

    `error_statuses` are those of this endpoint, in addition to those of every endpoint; `other_answers` are its further
    responses, by status. `always_needs_token`: also where reading needs none, since it answers with content, not with status.
    `is_signed`: what is sent is signed, and needs neither a token nor a Host of ours. `status` is that of `answer`.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    name: str
    handle: Callable[..., Awaitable[Response]]
    answer: ResponseSpec
    inputs: Inputs = _NOTHING
    error_statuses: tuple[int, ...] = ()
    other_answers: Mapping[int, ResponseSpec] = _NOTHING
    always_needs_token: bool = False
    is_signed: bool = False
    status: int = 200

    def route(self) -> Route:
        async def respond(request: Request) -> Response:
            parsers = request_parsing.PARSERS
            return await self.handle(*[await parsers[part](request, type_) for part, type_ in self.inputs.items()])

        return Route(self.path, respond, methods=[self.method], name=self.name)


def page_of(items: Schema, cursor: Schema) -> Schema:
    """The schema of a page of a list, with the cursor of the next page."""
    properties = {
        "object": {"const": "list"},
        "data": {"type": "array", "items": items},
        "next": {"anyOf": [cursor, {"type": "null"}], "description": "The cursor of the next page; null if nothing is left"},
    }
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def schema_of(type_: Any) -> Schema:
    """The JSON Schema of a type that needs no components."""
    (schema,), _ = msgspec.json.schema_components([type_])
    return schema


def json_response(value: Any) -> Response:
    return Response(escape_json_bytes(msgspec.json.encode(value)), media_type="application/json")
