"""Owns the parameters that calls have in common: pages, numbers and flags, and what is answered to one that makes no sense."""

from typing import Final

from starlette.datastructures import QueryParams

LARGEST_PAGE: Final = 1000


class Invalid(Exception):  # noqa: N818 - answered with 422, not a failure of ours
    """A parameter that the API would refuse; `details` are those of the answer, `parameter` its name."""

    def __init__(self, where: tuple[str, ...], found: object, expected: str) -> None:
        super().__init__(f"{'.'.join(where)}: found {found!r}, expected {expected}")
        self.parameter = ".".join(where[1:]) or None
        self.details = [{"type": "value_error", "loc": list(where), "msg": f"expected {expected}", "input": found}]


def parse_number(given: QueryParams, name: str, default: int, least: int, most: int) -> int:
    """A whole number from `least` to `most`, among the parameters of a URL."""
    text = given.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise Invalid(("query", name), text, f"a whole number from {least} to {most}")
    return int(text)


def parse_flag(given: QueryParams, name: str, *, default: bool) -> bool:
    text = given.get(name, str(default)).lower()
    if text not in ("true", "false", "1", "0"):
        raise Invalid(("query", name), given[name], "true or false")
    return text in ("true", "1")
