"""Owns taking secrets out of text, however they are written there."""

import re
from collections.abc import Iterable
from typing import Final

REDACTED: Final = "[redacted]"
_BACKSLASH: Final = r"(?:\\|%(?:25)*5[Cc])"  # as it is, and in a URL


class Redaction:
    """The secrets that are taken out of whatever is logged: more may come, and none is ever shown again."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: set[str] = set()
        self._any: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take these out too, from now on."""
        self._secrets.update(secret for secret in secrets if secret)
        forms = [_any_form(secret) for secret in sorted(self._secrets, key=lambda secret: (-len(secret), secret))]
        self._any = re.compile("|".join(forms)) if forms else None

    def __call__(self, text: str) -> str:
        return self._any.sub(REDACTED, text) if self._any else text


def _any_form(secret: str) -> str:
    """Match `secret` as it is and as it looks in a URL, in JSON, in a Python literal, and in one of them inside another.

    Backslashes are counted within bounds, so that a long row of them costs no more than any other text.
    """
    return "".join(_escaped(run) for run in re.findall(r"\\+|[^\\]", secret))


def _escaped(character: str) -> str:
    if character.isalnum() and character.isascii():
        return character
    if character.startswith("\\"):
        return f"{_BACKSLASH}{{1,64}}"
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    blank = "|[+]" if character == " " else ""
    code = f"u{ord(character):04x}|x{ord(character):02x}"
    bare = f"{re.escape(character)}|(?i:{percent}){blank}"
    return f"(?:{_BACKSLASH}{{0,8}}(?:{bare})|{_BACKSLASH}{{1,8}}(?i:{code}))"
