"""Owns the examples of the API's reference: a value for any schema of the OpenAPI document.

What a schema says decides: a constant, the first value of an enumeration, the default. Jobs and events are those that
`send-test` sends. Else the name of a property says what is usual for it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tracker import __version__
from tracker.core.events.sample import sample_event
from tracker.schemas import definitions

Schema = Mapping[str, Any]

_AT: Final = 1_750_861_214_312
"""The time of the examples, in Unix milliseconds."""

_ISO: Final = "2025-06-25T14:20:14.312Z"
_ID: Final = "5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11"

_STRINGS: Final = {
    "EUR": "0.42",
    "account": "default",
    "detail": "it answered 500",
    "host": "example.com",
    "id": _ID,
    "instance": "f3a9c2d4",
    "job": _ID,
    "last_good_sweep": _ISO,
    "model": "mistral-small-latest",
    "name": "pipeline",
    "answer": "",
    "event_id": "evt_5e8e2a1c",
    "event": "batch.*",
    "file_id": "6f0ad3b2",
    "kind": "webhook",
    "holder": "berlin-1",
    "location": "file:///var/lib/batch-tracker/results/default/5e8e2a1c/output.jsonl.zst",
    "message": "the prompt is too long",
    "eta": _ISO,
    "provider": "mistral",
    "reason": "server_error",
    "receiver": "pipeline",
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "replica": "berlin-1",
    "to": "team",
    "type": "batch.completed",
    "unreadable": "job 5e8e2a1c: it has no status",
    "url": "https://berlin-1.example.com",
    "version": __version__,
    "status": "RUNNING",
    "title": "Not Found",
}
"""What is usual for a property that is a string."""

_SILENCE: Final = {"scope": {"account": "default"}, "seconds": 7200, "reason": "maintenance of the vendor"}
"""A request for a silence: which of its properties go together is what no schema says."""

_KEYS: Final = {"amounts": "EUR", "by_model": "mistral-small-latest", "jobs": "SUCCESS"}
"""The key of an object whose keys are not fixed, by the object's name."""

_TIMES: Final = ("at", "since", "until", "after", "before")
"""Ends of the names of properties that are times where they are strings."""


class Examples:
    """Makes values by the components of a document."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components
        self._samples = {name: _sample(type_) for type_, name in definitions().items()}
        completed = self._samples["BatchCompleted"]
        self._samples |= {"Event": completed, "BatchJob": completed["data"], "SilenceRequest": _SILENCE}

    def body(self, schema: Schema) -> Any:
        """An example of a request's body: what is required, and where one of several properties is, the first of them."""
        component = schema.get("$ref", "").rpartition("/")[2]
        if component in self._samples:
            return self._samples[component]
        resolved = self._components[component] if component else schema
        needed = [*resolved.get("required", ()), *(name for each in resolved.get("oneOf", ())[:1] for name in each["required"])]
        return {name: self.of(resolved["properties"][name], name) for name in needed}

    def of(self, schema: Schema, name: str = "") -> Any:
        """An example of `schema`, which is that of a property called `name`."""
        makers: dict[str, Callable[[], Any]] = {
            "$ref": lambda: self._of_component(schema["$ref"].rpartition("/")[2], name),
            "const": lambda: schema["const"],
            "examples": lambda: schema["examples"][0],
            "enum": lambda: schema["enum"][0],
            "allOf": lambda: _merged([self.of(each, name) for each in schema["allOf"]]),
            "anyOf": lambda: None if name == "next" else self.of(_first_but_null(schema["anyOf"]), name),
        }
        return next((make() for key, make in makers.items() if key in schema), None) or self._of_type(schema, name)

    def _of_component(self, component: str, name: str) -> Any:
        return self._samples.get(component) or self.of(self._components[component], name)

    def _of_type(self, schema: Schema, name: str) -> Any:
        match schema.get("type"):
            case "object":
                return self._object(schema, _KEYS.get(name, "default"))
            case "array":
                return [self.of(schema["items"], name.removesuffix("s"))] if "items" in schema else []
            case "string":
                return _string(name)
            case "integer" | "number":
                return _number(schema, name)
            case "boolean":
                return bool(schema.get("default", False))
        return schema.get("default")

    def _object(self, schema: Schema, key: str) -> dict[str, Any]:
        found = {name: self.of(each, name) for name, each in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties")
        return found or ({key: self.of(others, key)} if isinstance(others, Mapping) else {})


def _sample(type_: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(msgspec.json.encode(sample_event(type_, "default", _AT, _ID[:8])))
    return event


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def _first_but_null(schemas: list[Schema]) -> Schema:
    return next((each for each in schemas if each.get("type") != "null"), schemas[0])


def _string(name: str) -> str:
    return _STRINGS[name] if name in _STRINGS else (_ISO if name.endswith(_TIMES) else "…")


def _number(schema: Schema, name: str) -> float:
    if name.endswith("_at"):
        return _AT // 1000
    number: float = schema.get("default", schema.get("minimum", 1))
    return number
