"""Owns the outcome of an attempt by what Apprise logged of it: the library itself says no more than that it failed."""

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Final

from tracker.core.deliveries.delivery import Outcome, Result
from tracker.core.text.one_line import one_line
from tracker.core.text.redaction import WORD_CHARACTERS, Redaction
from tracker.delivery.notifiers.apprise.library import LogLine
from tracker.delivery.notifiers.http_outcome import MAX_KEPT_ANSWER, result_of_status

_MAX_DETAIL: Final = 300
_BAD: Final = ("WARNING", "ERROR", "CRITICAL")
_STATUS: Final = re.compile(r"\berror=(\d{3})\b")
_SMTP_REPLY: Final = re.compile(r"\((\d{3}), b['\"]")
_ANSWER: Final = re.compile(r"\s*Response Details:\s*(.*)", re.DOTALL)
_EXCEPTION: Final = re.compile(r"\s*(?:Socket|SMTP|SSL|\w+) Exception:\s*(.*)", re.DOTALL)


def outcome_of(log: Sequence[LogLine], secrets: Iterable[str], *, delivered: bool) -> Outcome:
    """The outcome of an attempt that logged this, without `secrets`."""
    if delivered:
        return Outcome(result=Result.DELIVERED)
    redact = Redaction(secrets, WORD_CHARACTERS)
    status, exceptions = _status(log), _matches(_EXCEPTION, log)
    said = [one_line(redact(text), _MAX_DETAIL) for level, text in log if level in _BAD] or ["Apprise gives no reason"]
    reasons = [one_line(redact(text), _MAX_DETAIL) for text in exceptions]
    return Outcome(
        result=_result(status, exceptions),
        detail=one_line(": ".join((said[0], *reasons[:1])), _MAX_DETAIL),
        status=status,
        answer=redact(_answer(log))[:MAX_KEPT_ANSWER],
    )


def _result(status: int | None, exceptions: Sequence[str]) -> Result:
    if status is not None:
        return result_of_status(status)
    replies = [int(each) for text in exceptions for each in _SMTP_REPLY.findall(text)]
    if replies:  # of a mail server: 4xx is temporary, 5xx is not
        return Result.SERVER if replies[0] < 500 else Result.REFUSED
    return Result.NETWORK if exceptions else Result.REFUSED


def _answer(log: Iterable[LogLine]) -> str:
    """What the service answered, of which Apprise logs the bytes as Python writes them."""
    written = next(iter(_matches(_ANSWER, log)), "").strip()
    try:
        answer = ast.literal_eval(written) if written.startswith("b") else written
    except (SyntaxError, ValueError):  # its end was cut
        return written
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else written


def _status(log: Iterable[LogLine]) -> int | None:
    found = [int(match[1]) for _, text in log if (match := _STATUS.search(text))]
    return found[0] if found else None


def _matches(pattern: re.Pattern[str], log: Iterable[LogLine]) -> list[str]:
    return [match[1] for _, text in log if (match := pattern.match(text))]
