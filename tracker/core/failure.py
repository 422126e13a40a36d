"""Owns what can go wrong with a request to the API: a closed set of reasons, and what an answer's status says."""

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """Why a request gave nothing; the values are metric labels."""

    UNAUTHORISED = "unauthorised"  # 401, 403: the key is bad
    NOT_ENABLED = "not_enabled"  # 402: batch is not enabled for the workspace
    NOT_FOUND = "not_found"  # 404
    RATE_LIMITED = "rate_limited"  # 429
    REJECTED = "rejected"  # another 4xx, and 3xx: asking again the same way will not help
    SERVER = "server"  # 5xx
    NETWORK = "network"  # refused, reset, unresolved, cut short, too slow
    MALFORMED = "malformed"  # an answer that cannot be read, or is larger than allowed


class Failure(msgspec.Struct, frozen=True):
    """A request that gave nothing, and why. `retry_after` is in seconds, where the server asked for patience."""

    reason: Reason
    detail: str
    retry_after: float | None = None

    @property
    def passing(self) -> bool:
        """Whether the same request may well succeed a moment later."""
        return self.reason in (Reason.SERVER, Reason.NETWORK, Reason.MALFORMED, Reason.RATE_LIMITED)


def reason_of(status: int) -> Reason:
    """The reason that an HTTP status other than 200 stands for."""
    named = {
        401: Reason.UNAUTHORISED,
        402: Reason.NOT_ENABLED,
        403: Reason.UNAUTHORISED,
        404: Reason.NOT_FOUND,
        408: Reason.SERVER,
        429: Reason.RATE_LIMITED,
    }
    return named.get(status, Reason.SERVER if status >= 500 else Reason.REJECTED)
