"""Owns the failure of a template: where and why it gives no text."""

from typing import Final

import msgspec

_MAX_REASON: Final = 200


class TemplateFailure(msgspec.Struct, frozen=True):
    """A template that gives no text: the line of the mistake, 0 if it has none, and the reason."""

    line: int
    reason: str

    @classmethod
    def of(cls, line: int, reason: str) -> "TemplateFailure":
        """With the reason on one line of bounded length."""
        return cls(line, " ".join(reason.split())[:_MAX_REASON].rstrip("."))

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}" if self.line else self.reason


class InvalidTemplate(Exception):  # noqa: N818 - a mistake of who wrote it
    """A template that cannot be read."""

    def __init__(self, failure: TemplateFailure) -> None:
        super().__init__(str(failure))
