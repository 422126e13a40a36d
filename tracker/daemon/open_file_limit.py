"""Owns the limit of open files, and its shares for the server and the deliveries."""

import resource
from typing import Final, NamedTuple

import msgspec
import structlog

from tracker.delivery.global_concurrency_limit import MAX_ATTEMPTS
from tracker.server.connection_limits import ConnectionLimits

WANTED: Final = 4096
"""Files with which every share has its usual size."""

_OWN: Final = 36
"""Files that the process always has open: the database for its writer and readers, sockets, the event loop's own."""

_FEWEST: Final = 4


class Shares(NamedTuple):
    """The limits of the server, and the maximum of concurrent deliveries."""

    limits: ConnectionLimits
    attempts: int


def shares_of_this_process() -> Shares:
    """Raise the soft limit as far as needed and allowed; returns the shares, and logs a warning if they are reduced."""
    limit = _raised()
    shares = shares_of(limit)
    if shares != shares_of(WANTED):
        structlog.get_logger().warning(
            "descriptors.limited",
            limit=limit,
            connections=shares.limits.connections,
            deliveries=shares.attempts,
            wanted=WANTED,
            to_change="raise the hard limit of open files: ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile of a container",
        )
    return shares


def shares_of(limit: int) -> Shares:
    """Of the files that `limit` leaves, half is for the server, a quarter for deliveries, the rest for requests to the API."""
    spare, usual = max(0, limit - _OWN), ConnectionLimits()
    connections = _within(usual.connections, spare // 4)
    limits = msgspec.structs.replace(
        usual,
        connections=connections,
        per_address=min(usual.per_address, connections),
        reserved=min(usual.reserved, _within(usual.reserved, spare // 16)),
        backlog=_within(usual.backlog, spare // 5),
    )
    return Shares(limits, _within(MAX_ATTEMPTS, spare // 4))


def _within(usual: int, share: int) -> int:
    return max(_FEWEST, min(usual, share))


def _raised() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return WANTED if soft == resource.RLIM_INFINITY else soft
