"""Owns how many files the process may have open, and what the server and the deliveries may have of them."""

import resource
from typing import Final, NamedTuple

import msgspec
import structlog

from tracker.delivery.concurrency_limit import MAX_ATTEMPTS
from tracker.server.connection_limits import Limits

WANTED: Final = 4096
"""Files: with so many every share is the usual one."""

_OWN: Final = 36
"""Files that the process has open in any case: the database for its writer and its readers, sockets, the loop's own."""

_FEWEST: Final = 4


class Shares(NamedTuple):
    """The limits of the server, and how many deliveries may be under way together."""

    limits: Limits
    attempts: int


def shares_of_this_process() -> Shares:
    """What there is, once the soft limit is raised as far as allowed and needed; a warning where it is less than usual."""
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
    """Half of what `limit` leaves is for the server, a quarter for deliveries, the rest for the accounts' requests."""
    spare, usual = max(0, limit - _OWN), Limits()
    connections = _within(usual.connections, spare // 4)
    limits = msgspec.structs.replace(
        usual,
        connections=connections,
        of_one_address=min(usual.of_one_address, connections),
        reserve=min(usual.reserve, _within(usual.reserve, spare // 16)),
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
