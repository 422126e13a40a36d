"""Owns the JSON Schema of every event, for consumers: `event.schema.json` beside this file."""

import json
from importlib.resources import files
from typing import Any


def event_schema(type_: str | None = None) -> dict[str, Any]:
    """The schema (draft 2020-12) of the events of `type_`, such as "batch.completed"; of any event without one.

    Raises KeyError for a type that there is not.
    """
    whole: dict[str, Any] = json.loads(files(__package__).joinpath("event.schema.json").read_text("utf-8"))
    if type_ is None:
        return whole
    if {"$ref": f"#/$defs/{type_}"} not in whole["oneOf"]:
        raise KeyError(type_)
    return {**whole["$defs"][type_], "$schema": whole["$schema"], "$defs": whole["$defs"]}
