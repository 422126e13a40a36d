"""Owns the events about replicas."""

from tracker.core.events.event import Event, iso, plain_event


def joined_event(replica: str, version: str, now: int) -> Event:
    """The replica, of that version of batch-tracker, joined at `now` (Unix milliseconds)."""
    return plain_event("replica.joined", "", {"replica": replica, "version": version, "since": iso(now)}, now)


def lost_event(replica: str, version: str, since: int, now: int, *, accounts: int, receivers: int) -> Event:
    """The replica, which had joined at `since`, was found lost at `now`, with leases of `accounts` and `receivers`."""
    about = {"replica": replica, "version": version, "since": iso(since), "accounts": accounts, "receivers": receivers}
    return plain_event("replica.lost", "", about, now)
