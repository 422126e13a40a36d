"""Owns the JSON Schemas, for consumers: of every event, and of the other bodies that a webhook may have."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


def event_schema(type_: str | None = None) -> dict[str, Any]:
    """The schema (draft 2020-12) of the events of `type_`, such as "batch.completed"; of any event without one.

    Raises KeyError for an unknown type.
    """
    whole = _read("event")
    if type_ is None:
        return whole
    return {**whole["$defs"][definitions()[type_]], "$schema": whole["$schema"], "$defs": whole["$defs"]}


def definitions() -> dict[str, str]:
    """The name of each event type's definition in `$defs`, by the type: "BatchCompleted" by "batch.completed"."""
    return dict(_names())


@cache
def _names() -> dict[str, str]:
    whole = event_schema()
    names = [branch["$ref"].rpartition("/")[2] for branch in whole["oneOf"]]
    return {whole["$defs"][name]["properties"]["type"]["const"]: name for name in names}


def thin_event_schema() -> dict[str, Any]:
    """The schema of the body of a webhook with `format = "thin"`."""
    return _read("thin_event")


def cloud_event_schema() -> dict[str, Any]:
    """The schema of the body of a webhook with `format = "cloudevents"`; its properties but for `data` are also headers."""
    return _read("cloud_event")


def _read(name: str) -> dict[str, Any]:
    """The schema as the caller's own, who may change it."""
    schema: dict[str, Any] = json.loads(_text(name))
    return schema


@cache
def _text(name: str) -> str:
    return files(__package__).joinpath(f"{name}.schema.json").read_text("utf-8")
