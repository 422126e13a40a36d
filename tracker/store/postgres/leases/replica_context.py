"""Owns what the parts of one replica share."""

from collections.abc import Callable
from typing import NamedTuple

from tracker.core.replicas.lease_times import DEFAULT_LEASE_TIMES, LeaseTimes
from tracker.store.postgres.leases.lease_table import Member
from tracker.store.postgres.notification_sender import NotificationSender
from tracker.store.postgres.server_clock import boot_time


class ReplicaSetup(NamedTuple):
    """Who the replica is, and how it sends notifications. `clock` gives seconds of a clock that never jumps."""

    member: Member
    sender: NotificationSender
    times: LeaseTimes = DEFAULT_LEASE_TIMES
    clock: Callable[[], float] = boot_time
