"""Owns removing secrets from text, in whatever encoding they are written there.

A long secret is removed wherever it is. A short one may be a word, or a part of one: it is removed as a whole token, so that a
key such as `test` does not remove a part of every `send-test` and every path.
"""

import re
from collections.abc import Iterable
from typing import Final

REDACTED: Final = "[redacted]"

LONG_SECRET: Final = 16
"""A secret of at least this number of characters is in no text by chance."""

PATH_CHARACTERS: Final = r"\w./-"
"""The characters of a token, if a path is one token."""

WORD_CHARACTERS: Final = r"\w-"
"""The characters of a token, if the parts of a path are tokens."""

_AFTER_AN_ESCAPE: Final = "|".join(
    f"(?<={escape})"
    for escape in (
        "//",  # of a URL
        "%[0-9A-Fa-f]{2}",
        "%25[0-9A-Fa-f]{2}",
        "%2525[0-9A-Fa-f]{2}",
        *(
            f"{backslash}{code}"
            for backslash in (r"\\", "%5[Cc]")
            for code in ("[nrtbfv]", "x[0-9A-Fa-f]{2}", "u[0-9A-Fa-f]{4}")
        ),
    )
)
"""The places where a token begins although a letter or a digit is before it."""

_BACKSLASH: Final = r"(?:\\|%(?:25)*5[Cc])"  # as it is, and in a URL


class Redaction:
    """Replaces secrets in text. Secrets can be added, and are never removed."""

    def __init__(self, secrets: Iterable[str], tokens: str = PATH_CHARACTERS) -> None:
        """`tokens` are the characters of a token, as in the brackets of a regular expression."""
        self._of_a_token = re.compile(f"[{tokens}]")
        self._before = f"(?:(?<![{tokens}])|{_AFTER_AN_ESCAPE})"
        self._after = rf"(?![{tokens.replace('.', '')}]|\.\w)" if "." in tokens else f"(?![{tokens}])"
        self._secrets: set[str] = set()
        self._any: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Redact these too, from now on."""
        self._secrets.update(secret for secret in secrets if secret)
        forms = [self._whole(secret) for secret in sorted(self._secrets, key=lambda secret: (-len(secret), secret))]
        self._any = re.compile("|".join(forms)) if forms else None

    def __call__(self, text: str) -> str:
        return self._any.sub(REDACTED, text) if self._any else text

    def _whole(self, secret: str) -> str:
        form = _any_form(secret)
        if len(secret) >= LONG_SECRET:
            return form
        before = self._before if self._of_a_token.match(secret[0]) else ""
        return f"{before}{form}{self._after if self._of_a_token.match(secret[-1]) else ''}"


def _any_form(secret: str) -> str:
    """A pattern of `secret` as it is, in a URL, in JSON, in a Python literal, and in one of these inside another.

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
