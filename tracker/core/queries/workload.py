"""Owns how much is not over: jobs of the accounts that are watched, deliveries to the receivers that are configured."""

import msgspec


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that run (some are being cancelled) and that are queued; deliveries that are pending and dead."""

    running: int
    queued: int
    pending: int
    dead: int

    def __str__(self) -> str:
        dead = f" ({self.dead} dead)" if self.dead else ""
        return f"{self.running} running, {self.queued} queued, {self.pending + self.dead} undelivered{dead}"
