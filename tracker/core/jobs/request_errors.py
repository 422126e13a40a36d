"""Owns a job's `errors` as sentences: each error, and how many requests failed by it.

The API sends `[{"message": …, "count": 1}]`. The schema does not promise that, so other shapes are read as well as possible.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from tracker.core.text.one_line import one_line, truncate

MOST_SENTENCES: Final = 20
"""As many as a job keeps."""

LONGEST_SENTENCE: Final = 300
LONGEST_SUMMARY: Final = 200
"""Characters."""

_MOST_READ: Final = 1_000
"""Errors that are compared to find the most frequent ones; a job that was stored before jobs were bounded may have more."""

_LONGEST_READ: Final = 10 * LONGEST_SENTENCE
_DEEPEST: Final = 4
_NO_MESSAGE: Final = "an error without a message"
_MESSAGES: Final = ("message", "error", "detail", "msg", "reason", "title")
"""Properties that hold a message, the usual one first."""


def error_sentences(job: Mapping[str, Any], most: int = MOST_SENTENCES) -> list[str]:
    """The errors of `job` (its JSON), the most frequent first: "12 requests: rate limited".

    Each is one printable line of at most `LONGEST_SENTENCE` characters. If there are more than `most`, one more line counts
    the others. Empty if the API sent none.
    """
    found = _errors(job.get("errors"))
    sentences = [_sentence(error, job) for error in _ranked(found)[:most]]
    others = len(found) - len(sentences) + (_whole(job.get("errors_omitted")) or 0)
    return [*sentences, f"and {others:,} other error{'' if others == 1 else 's'}"] if others else sentences


def sentences_by_message(job: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of the message of an error of `job` (its JSON) and its sentence, the most frequent first, at most 20."""
    return [
        (_message(error, _DEEPEST), _sentence(error, job)) for error in _ranked(_errors(job.get("errors")))[:MOST_SENTENCES]
    ]


def error_summary(job: Mapping[str, Any], longest: int = LONGEST_SUMMARY) -> str:
    """The first errors of `job` (its JSON) as one line of at most `longest` characters; empty if the API sent none.

    It names as many as fit, at least one, and counts the others.
    """
    return as_many_as_fit(lambda most: error_sentences(job, most), longest)


def as_many_as_fit(sentences_of: Callable[[int], list[str]], longest: int) -> str:
    """As many errors as fit, at least one, as one line of at most `longest` characters.

    `sentences_of` gives this number of errors as sentences, and one more that counts the others, if there are any.
    """
    fitting = ""
    for most in range(1, MOST_SENTENCES + 1):
        sentences = sentences_of(most)
        together = "; ".join(sentences)
        if fitting and len(together) > longest:
            break
        fitting = together
        if len(sentences) <= most:
            break
    return truncate(fitting, longest)


def _errors(value: Any) -> list[Any]:
    """The errors one by one, whether they are a list, an object that holds one, or a single error."""
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    found = value if isinstance(value, list) else [value]
    return [each for each in found if each not in (None, "", [], {})]


def _ranked(errors: list[Any]) -> list[Any]:
    return sorted(errors[:_MOST_READ], key=lambda error: -(_count(error) or 0))


def _sentence(error: Any, job: Mapping[str, Any]) -> str:
    message, count = one_line(_message(error, _DEEPEST), LONGEST_SENTENCE) or _NO_MESSAGE, _count(error)
    if count is None:
        return truncate(message, LONGEST_SENTENCE)
    if count <= (_whole(job.get("total_requests")) or 0):
        return truncate(f"{count:,} request{'' if count == 1 else 's'}: {message}", LONGEST_SENTENCE)
    return truncate(message if count == 1 else f"{count:,} times: {message}", LONGEST_SENTENCE)


def _message(error: Any, depth: int) -> str:
    """The message of an error; for an object without a message, its other values."""
    if isinstance(error, str):
        inner = _parsed(error)
        return error if inner is None or not depth else _message(inner, depth - 1)
    if not isinstance(error, dict):
        return _json(error)
    if isinstance(error.get("omitted_bytes"), int):
        return f"{error['omitted_bytes']:,} bytes of errors, too many to keep"
    for name in _MESSAGES:
        if error.get(name) and depth:
            return _message(error[name], depth - 1)
    return ", ".join(_pairs(error))


def _pairs(error: Mapping[str, Any]) -> Iterator[str]:
    for name, value in error.items():
        if name != "count" and value not in (None, "", [], {}):
            yield f"{name}: {value if isinstance(value, str) else _json(value)}"


def _parsed(text: str) -> dict[str, Any] | None:
    """The object in a text of JSON: APIs pass on answers of other APIs as text."""
    if text.startswith("{") and len(text) <= _LONGEST_READ:
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
            return found if isinstance(found, dict) else None
    return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _count(error: Any) -> int | None:
    return _whole(error.get("count")) if isinstance(error, dict) else None


def _whole(value: Any) -> int | None:
    """A positive whole number, also one written as 12.0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**63 or value != int(value):
        return None
    return int(value)
