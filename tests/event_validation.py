"""Owns the validators of the published schema of events, made once each; `test_event_schemas.py` checks the schema itself."""

from functools import cache

from jsonschema import Draft202012Validator

from tracker.schemas import event_schema


@cache
def validator(type_: str | None = None) -> Draft202012Validator:
    """The validator, formats too, of the events of `type_`; of any event without one. Raises KeyError for an unknown type."""
    return Draft202012Validator(event_schema(type_), format_checker=Draft202012Validator.FORMAT_CHECKER)
