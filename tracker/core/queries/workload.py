"""Owns the workload: the active jobs of the watched accounts, and the open deliveries to the configured receivers."""

import msgspec


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of running (or cancelling) and queued jobs, and of pending and dead deliveries."""

    running: int
    queued: int
    pending: int
    dead: int

    def __str__(self) -> str:
        dead = f" ({self.dead} dead)" if self.dead else ""
        return f"{self.running} running, {self.queued} queued, {self.pending + self.dead} undelivered{dead}"
