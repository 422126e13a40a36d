"""Owns the JSON Schema of every event, for consumers: `event.schema.json` in this folder."""

import json
from importlib.resources import files
from typing import Any


def event_schema(type_: str | None = None) -> dict[str, Any]:
    """The schema (draft 2020-12) of the events of `type_`, such as "batch.completed"; of any event without one.

    Raises KeyError for an unknown type.
    """
    whole: dict[str, Any] = json.loads(files(__package__).joinpath("event.schema.json").read_text("utf-8"))
    if type_ is None:
        return whole
    return {**whole["$defs"][definitions()[type_]], "$schema": whole["$schema"], "$defs": whole["$defs"]}


def definitions() -> dict[str, str]:
    """The name of each event type's definition in `$defs`, by the type: "BatchCompleted" by "batch.completed"."""
    whole = event_schema()
    names = [branch["$ref"].rpartition("/")[2] for branch in whole["oneOf"]]
    return {whole["$defs"][name]["properties"]["type"]["const"]: name for name in names}
