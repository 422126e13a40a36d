"""Owns the directives of a webhook's receiver: the response header `webhook-delivery`, with an answer of any status.

`abort-message` asks for no further attempt of this message; it changes nothing where the message was taken. `disable` asks for
no further message at all, as 410 does.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from tracker.core.deliveries.delivery import Outcome, Result
from tracker.core.text.one_line import one_line
from tracker.http.client import Answer, NoAnswer

HEADER: Final = "webhook-delivery"
ABORT: Final = "abort-message"
DISABLE: Final = "disable"

_MAX_LENGTH: Final = 100
"""Characters of the header that are read."""


class ResponseDirectives:
    """Applies the directives in the answers of one receiver. A value that is unknown has no effect, and is logged once."""

    def __init__(self, redact: Callable[[bytes], str]) -> None:
        """`redact` gives a text without secrets: a header may quote the request as a body may."""
        self._redact = redact
        self._has_logged = False

    def apply(self, outcome: Outcome, answer: Answer | NoAnswer, receiver: str) -> Outcome:
        """The outcome of an attempt, as the directives of the receiver change it."""
        header = answer.headers.get(HEADER) if isinstance(answer, Answer) else None
        if header is None:
            return outcome
        directives = [each.strip().lower() for each in header[:_MAX_LENGTH].split(",")]
        if unknown := [each for each in directives if each not in (ABORT, DISABLE)]:
            self._log_unknown(unknown[0], receiver)
        aborts, disables = ABORT in directives and not outcome.delivered, DISABLE in directives
        if not aborts and not disables:
            return outcome
        return msgspec.structs.replace(
            outcome,
            result=Result.GONE if disables and not outcome.delivered else outcome.result,
            detail=f"HTTP {outcome.status}, {HEADER}: {', '.join([ABORT] * aborts + [DISABLE] * disables)}",
            aborts=aborts,
            disables=disables,
        )

    def _log_unknown(self, directive: str, receiver: str) -> None:
        if not self._has_logged:
            self._has_logged = True
            found = one_line(self._redact(directive.encode()), _MAX_LENGTH)
            structlog.get_logger().warning(
                "header.ignored", receiver=receiver, header=HEADER, found=found, expected=[ABORT, DISABLE]
            )
