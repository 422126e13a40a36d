"""Owns the `webhooks` section of the OpenAPI document: each event type as the request that a receiver gets."""

from typing import Any, Final

from tracker.schemas import definitions, event_schema

Schema = dict[str, Any]

_HEADERS: Final = (
    ("webhook-id", True, {"type": "string"}, "The event's `id`, the same in every attempt. Deduplicate by it."),
    ("webhook-timestamp", True, {"type": "integer", "minimum": 0}, "When this attempt was made, in Unix seconds."),
    (
        "webhook-signature",
        False,
        {"type": "string", "examples": ["v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="]},
        """By Standard Webhooks, over `webhook-id.webhook-timestamp.body`: one signature for each secret of the receiver,
separated by spaces. `v1,…` is HMAC-SHA256, `v1a,…` ed25519. Absent if the receiver has no `secret`.""",
    ),
)

_ANSWERS: Final = {
    "2XX": "The event is delivered.",
    "410": "The receiver is disabled until a replay enables it.",
    "429": "The delivery is retried, not before `Retry-After`; fewer deliveries are sent at once.",
    "503": "As 429.",
    "default": "The delivery is retried by the receiver's schedule.",
}


def webhooks() -> Schema:
    """The requests to receivers, by event type."""
    return {type_: {"post": _request(type_, name)} for type_, name in definitions().items()}


def event_schemas() -> Schema:
    """The components that the requests refer to: the published definitions, and `Event`, which is any of the types."""
    published = event_schema()
    event = {key: published[key] for key in ("title", "description", "oneOf")}
    event["discriminator"] = {
        "propertyName": "type",
        "mapping": {type_: f"#/$defs/{name}" for type_, name in definitions().items()},
    }
    components: Schema = _moved({**published["$defs"], published["title"]: event})
    return components


def _request(type_: str, name: str) -> Schema:
    return {
        "operationId": f"receive{name}",
        "summary": event_schema(type_)["description"],
        "parameters": [
            {"name": header, "in": "header", "required": required, "schema": schema, "description": description}
            for header, required, schema, description in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
        },
        "responses": {status: {"description": description} for status, description in _ANSWERS.items()},
        "security": [],
    }


def _moved(schema: Any) -> Any:
    """The schema with its references as they are in the document."""
    if isinstance(schema, list):
        return [_moved(each) for each in schema]
    if isinstance(schema, dict):
        return {key: _moved(value) for key, value in schema.items()}
    return schema.replace("#/$defs/", "#/components/schemas/") if isinstance(schema, str) else schema
