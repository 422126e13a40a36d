"""Owns handing over the deliveries of a commit, in memory, to those who send them."""

from tracker.core.ports.wakeups import Wakeups
from tracker.store.records.log_rows import Appended


def hand_over(appended: Appended, wakeups: Wakeups) -> None:
    """The transaction of `appended` is committed: give each receiver its deliveries, or have it look for them."""
    for receiver in appended.deliveries:
        if receiver in appended.preceded:
            wakeups.wake_deliverers([receiver])
        else:
            wakeups.deliveries_added(receiver, appended.new_deliveries(receiver))
