"""Owns the parameters of statements: PostgreSQL wants exactly those that a statement names, and text in its stored form."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from tracker.store.postgres.database.text_escape import ESCAPE, decode_text, encode_text

_PARAMETER: Final = re.compile(r"\$(\d+)")


def bind(sql: str, parameters: Sequence[Any]) -> tuple[str, list[Any]]:
    """The statement and its parameters, without those that it does not name."""
    numbered, wanted = _renumbered(sql)
    return numbered, [_encoded(parameters[number - 1]) for number in wanted]


@lru_cache(maxsize=200)
def _renumbered(sql: str) -> tuple[str, tuple[int, ...]]:
    wanted = sorted({int(number) for number in _PARAMETER.findall(sql)})
    places = {str(number): f"${place}" for place, number in enumerate(wanted, 1)}
    return _PARAMETER.sub(lambda match: places[match.group(1)], sql), tuple(wanted)


def _encoded(parameter: Any) -> Any:
    if isinstance(parameter, list):
        return [_encoded(each) for each in parameter]
    return encode_text(parameter) if isinstance(parameter, str) else parameter


def decode_row(row: Sequence[Any]) -> tuple[Any, ...]:
    """The row with each text as it was before it was stored."""
    return tuple([decode_text(each) if type(each) is str and ESCAPE in each else each for each in row])
