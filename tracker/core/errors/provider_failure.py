"""Owns the failures of requests to the API: a closed set of reasons, and the reason for each HTTP status."""

from enum import StrEnum
from typing import Final

import msgspec

FORBIDDEN: Final = 403


class Reason(StrEnum):
    """Why a request failed; the values are metric labels."""

    UNAUTHORISED = "unauthorised"  # 401, 403: the key is bad
    NOT_ENABLED = "not_enabled"  # 402: batch is not enabled for the workspace
    NOT_FOUND = "not_found"  # 404
    RATE_LIMITED = "rate_limited"  # 429
    REJECTED = "rejected"  # another 4xx, and 3xx: asking again the same way will not help
    SERVER = "server"  # 5xx
    NETWORK = "network"  # refused, reset, unresolved, cut short, too slow
    MALFORMED = "malformed"  # an answer that cannot be read, or is larger than allowed
    INCOMPLETE = "incomplete"  # a list that showed fewer jobs than it announced
    JOBS_MISSING = "jobs_missing"  # 404 of many jobs at once, or of some while nothing is shown that was shown before


class Failure(msgspec.Struct, frozen=True):
    """A failed request, and the reason.

    `retry_after` (seconds) is the pause that the server asked for, if any; `status` is the HTTP status, if there was an answer.
    """

    reason: Reason
    detail: str
    retry_after: float | None = None
    status: int | None = None

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.reason in (Reason.SERVER, Reason.NETWORK, Reason.MALFORMED, Reason.RATE_LIMITED)

    @property
    def concerns_account(self) -> bool:
        """Whether it concerns the account, so that other requests for single jobs would fail too.

        A 403 for one job may be about that job alone.
        """
        return self.refuses_account or self.reason is Reason.NETWORK

    @property
    def refuses_account(self) -> bool:
        """Whether the API refuses all requests of the account, for now or forever."""
        unauthorised = self.reason is Reason.UNAUTHORISED and self.status != FORBIDDEN
        return unauthorised or self.reason in (Reason.NOT_ENABLED, Reason.RATE_LIMITED)

    @property
    def may_be_one_job(self) -> bool:
        """Whether a single job in a list can cause this failure."""
        return self.reason in (Reason.SERVER, Reason.MALFORMED)


def reason_of(status: int) -> Reason:
    """The reason for an HTTP status other than 200."""
    named = {
        401: Reason.UNAUTHORISED,
        402: Reason.NOT_ENABLED,
        403: Reason.UNAUTHORISED,
        404: Reason.NOT_FOUND,
        408: Reason.SERVER,
        429: Reason.RATE_LIMITED,
    }
    return named.get(status, Reason.SERVER if status >= 500 else Reason.REJECTED)
