"""Owns the `webhooks` section of the OpenAPI document: each event type as the request that a receiver gets, in any format."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from tracker.schemas import cloud_event_schema, definitions, event_schema, thin_event_schema

Schema = dict[str, Any]
Header = tuple[str, bool, Schema, str]

_HEADERS: Final[tuple[Header, ...]] = (
    ("webhook-id", True, {"type": "string"}, "The event's `id`, the same in every attempt. Deduplicate by it."),
    ("webhook-timestamp", True, {"type": "integer", "minimum": 0}, "When this attempt was made, in Unix seconds."),
    (
        "webhook-signature",
        False,
        {"type": "string", "examples": ["v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="]},
        """By Standard Webhooks, over `webhook-id.webhook-timestamp.body`: one signature for each secret of the receiver,
separated by spaces. `v1,…` is HMAC-SHA256, `v1a,…` ed25519. Absent if the receiver has no `secret`.""",
    ),
    (
        "traceparent",
        True,
        {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$"},
        "By W3C Trace Context: the same trace in every attempt, and for all events of a job; another parent for each attempt.",
    ),
)

_ONLY_BINARY: Final = 'Only with `format = "cloudevents-binary"`.'

_ANSWERS: Final = {
    "2XX": "The event is delivered.",
    "410": "The receiver is disabled until a replay enables it.",
    "429": "The delivery is retried, not before `Retry-After`; fewer deliveries are sent at once.",
    "503": "As 429.",
    "default": "The delivery is retried by the receiver's schedule.",
}


def webhooks() -> Schema:
    """The requests to receivers, by event type."""
    published, headers = event_schema()["$defs"], [*_HEADERS, *_attribute_headers()]
    return {type_: {"post": _request(name, published[name]["description"], headers)} for type_, name in definitions().items()}


def event_schemas() -> Schema:
    """The components that the requests refer to: the published definitions, and `Event`, which is any of the types."""
    published = event_schema()
    event = {key: published[key] for key in ("title", "description", "oneOf")}
    event["discriminator"] = {
        "propertyName": "type",
        "mapping": {type_: f"#/$defs/{name}" for type_, name in definitions().items()},
    }
    formats = {each["title"]: _component(each) for each in (thin_event_schema(), cloud_event_schema())}
    components: Schema = _moved({**published["$defs"], published["title"]: event, **formats})
    return components


def _request(name: str, summary: str, headers: Iterable[Header]) -> Schema:
    return {
        "operationId": f"receive{name}",
        "summary": summary,
        "parameters": [
            {"name": header, "in": "header", "required": required, "schema": schema, "description": description}
            for header, required, schema, description in headers
        ],
        "requestBody": {"required": True, "content": _contents(name)},
        "responses": {status: {"description": description} for status, description in _ANSWERS.items()},
        "security": [],
    }


def _contents(name: str) -> Schema:
    """The bodies of an event of this definition, by what `content-type` says, in the formats of a receiver."""
    event = {"$ref": f"#/components/schemas/{name}"}
    around = {"allOf": [{"$ref": "#/components/schemas/CloudEvent"}, {"properties": {"data": event}}]}
    return {
        "application/json": {"schema": {"anyOf": [event, {"$ref": "#/components/schemas/ThinEvent"}]}},
        "application/cloudevents+json": {"schema": around},
    }


def _attribute_headers() -> Iterator[Header]:
    """The attributes of CloudEvents as headers. What `data` is, is said by `content-type`."""
    attributes = cloud_event_schema()["properties"]
    for name, about in attributes.items():
        if name not in ("datacontenttype", "data"):
            described = " ".join([*filter(None, [about.get("description")]), _ONLY_BINARY])
            yield f"ce-{name}", False, {key: value for key, value in about.items() if key != "description"}, described


def _component(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if not key.startswith("$")}


def _moved(schema: Any) -> Any:
    """The schema with its references as they are in the document."""
    if isinstance(schema, list):
        return [_moved(each) for each in schema]
    if isinstance(schema, dict):
        return {key: _moved(value) for key, value in schema.items()}
    return schema.replace("#/$defs/", "#/components/schemas/") if isinstance(schema, str) else schema
