"""Owns the OpenAPI document: made of the very operations that are routed and of the types that they read and write."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from tracker import __version__
from tracker.core.deliveries.replay import Replay
from tracker.web.api.deliveries import REPLAY, Delivery
from tracker.web.api.jobs import Added
from tracker.web.api.openapi_webhooks import event_schemas, webhooks
from tracker.web.endpoints.endpoint import Answer, Operation, Schema
from tracker.web.endpoints.problem_details import MEDIA_TYPE, Problem

_COMPONENTS: Final = "#/components/schemas/{name}"
_ANYWHERE: Final = (400, 401, 413, 421, 422, 429, 431, 500, 503)
_TO_WRITES: Final = (403, 415)

_DESCRIPTION: Final = """The log of batch-tracker and what is made of it.

Reading needs a token where one is configured, writing always. Every error is a problem (RFC 9457). A page of a list may hold
fewer than asked for, even none: only where `next` is null nothing is left."""


def openapi_route(operations: Iterable[Operation], base_path: str = "") -> Route:
    content = msgspec.json.encode(document(operations, base_path))

    async def openapi(_: object) -> Response:
        return Response(content, media_type="application/json")

    return Route("/api/openapi.json", openapi)


def document(operations: Iterable[Operation], base_path: str = "") -> Schema:
    """The whole document, of a server at `base_path` of wherever the document comes from."""
    operations = list(operations)
    types = [Added, Delivery, Problem, *(type_ for each in operations for type_ in _types(each))]
    _, components = msgspec.json.schema_components(types, ref_template=_COMPONENTS)
    if Replay.__name__ in components:
        components[Replay.__name__] |= REPLAY
    paths: dict[str, Schema] = {}
    for operation in operations:
        path = re.sub(r":[a-z]+}", "}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "batch-tracker", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": base_path or "/"}],
        "paths": paths,
        "webhooks": webhooks(),
        "components": {
            "schemas": event_schemas() | components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _types(operation: Operation) -> Iterable[type[msgspec.Struct]]:
    yield from (type_ for where, type_ in operation.takes.items() if where != "caller")
    for answer in (operation.answer, *operation.otherwise.values()):
        if isinstance(answer.of, type):
            yield answer.of


def _operation(operation: Operation, components: Mapping[str, Schema]) -> Schema:
    problems = {*_ANYWHERE, *operation.problems, *(_TO_WRITES if operation.method == "POST" else ())}
    answers = {status: _problem(status) for status in problems} | {200: operation.answer, **operation.otherwise}
    described: Schema = {
        "operationId": operation.name,
        "summary": operation.answer.said,
        "parameters": list(_parameters(operation, components)),
        "responses": {str(status): _answer(answer) for status, answer in sorted(answers.items())},
        "security": [{"token": []}] if operation.method == "POST" else [{}, {"token": []}],
    }
    if "body" in operation.takes:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(operation.takes["body"])}},
        }
    return described


def _parameters(operation: Operation, components: Mapping[str, Schema]) -> Iterable[Schema]:
    for where, type_ in operation.takes.items():
        if where in ("body", "caller"):
            continue
        schema = components[type_.__name__]
        for name, of in schema["properties"].items():
            needed = where == "path" or name in schema.get("required", ())
            yield {"name": name, "in": where, "required": needed, "schema": of}


def _problem(status: int) -> Answer:
    return Answer(Problem, HTTPStatus(status).phrase, MEDIA_TYPE)


def _answer(answer: Answer) -> Schema:
    schema = _ref(answer.of) if isinstance(answer.of, type) else answer.of
    return {"description": answer.said, "content": {answer.media_type: {"schema": schema}}}


def _ref(type_: type) -> Schema:
    return {"$ref": _COMPONENTS.format(name=type_.__name__)}
