"""Owns the OpenAPI document, generated from the endpoints and their types."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
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
from tracker.web.endpoints.endpoint import Endpoint, ResponseSpec, Schema
from tracker.web.endpoints.problem_details import MEDIA_TYPE, Problem
from tracker.web.endpoints.request_parsing import Part

_COMPONENTS: Final = "#/components/schemas/{name}"
_COMMON_ERRORS: Final = (400, 401, 413, 421, 422, 429, 431, 500, 503)
_WRITE_ERRORS: Final = (403, 415)
_BODIES: Final = frozenset[Part](("body", "unread_body"))

_DESCRIPTION: Final = """The log of batch-tracker, its jobs, deliveries, receivers, accounts and results.

Reads need a token if one is configured; writes and the results of jobs always need one. Every error is a problem document
(RFC 9457). A page may have fewer entries than `limit`, even none; the last page is the one whose `next` is null."""


def openapi_route(endpoints: Iterable[Endpoint], base_path: str = "") -> Route:
    """The route of the document, which is generated for the first request: the daemon starts sooner without it."""
    endpoints = list(endpoints)

    @cache
    def content() -> bytes:
        return msgspec.json.encode(document(endpoints, base_path))

    async def openapi(_: object) -> Response:
        return Response(content(), media_type="application/json")

    return Route("/api/openapi.json", openapi)


def document(endpoints: Iterable[Endpoint], base_path: str = "") -> Schema:
    """The whole document, of a server at `base_path` of wherever the document comes from."""
    endpoints = list(endpoints)
    types = [Added, Delivery, Problem, *(type_ for each in endpoints for type_ in _types(each))]
    _, components = msgspec.json.schema_components(types, ref_template=_COMPONENTS)
    if Replay.__name__ in components:
        components[Replay.__name__] |= REPLAY
    paths: dict[str, Schema] = {}
    for endpoint in endpoints:
        path = re.sub(r":[a-z]+}", "}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _describe(endpoint, components)
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


def _types(endpoint: Endpoint) -> Iterable[type[msgspec.Struct]]:
    yield from (type_ for part, type_ in endpoint.inputs.items() if part != "caller")
    for answer in (endpoint.answer, *endpoint.other_answers.values()):
        if isinstance(answer.body, type):
            yield answer.body


def _describe(endpoint: Endpoint, components: Mapping[str, Schema]) -> Schema:
    problems = {*_COMMON_ERRORS, *endpoint.error_statuses, *(_WRITE_ERRORS if endpoint.method != "GET" else ())}
    answers = {status: _problem(status) for status in problems} | {endpoint.status: endpoint.answer, **endpoint.other_answers}
    described: Schema = {
        "operationId": endpoint.name,
        "summary": endpoint.answer.description,
        "parameters": list(_parameters(endpoint, components)),
        "responses": {str(status): _answer(answer) for status, answer in sorted(answers.items())},
        "security": _security(endpoint),
    }
    for part in _BODIES & endpoint.inputs.keys():
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(endpoint.inputs[part])}},
        }
    return described


def _security(endpoint: Endpoint) -> list[Schema]:
    """The signature of a signed request is in its headers, which are parameters."""
    if endpoint.is_signed:
        return [{}]
    return [{"token": []}] if endpoint.method != "GET" or endpoint.always_needs_token else [{}, {"token": []}]


def _parameters(endpoint: Endpoint, components: Mapping[str, Schema]) -> Iterable[Schema]:
    for part, type_ in endpoint.inputs.items():
        if part in (*_BODIES, "caller"):
            continue
        schema = components[type_.__name__]
        for name, of in schema["properties"].items():
            needed = part == "path" or name in schema.get("required", ())
            yield {"name": name, "in": part, "required": needed, "schema": of}


def _problem(status: int) -> ResponseSpec:
    return ResponseSpec(Problem, HTTPStatus(status).phrase, MEDIA_TYPE)


def _answer(answer: ResponseSpec) -> Schema:
    if answer.body is None:
        return {"description": answer.description}
    schema = _ref(answer.body) if isinstance(answer.body, type) else answer.body
    media_types = (answer.media_type, *answer.other_media_types)
    return {"description": answer.description, "content": {each: {"schema": schema} for each in media_types}}


def _ref(type_: type) -> Schema:
    return {"$ref": _COMPONENTS.format(name=type_.__name__)}
