"""Owns how the daemon is: what each account and the store last did, and whether that makes it ready."""

from collections.abc import Iterable

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.events.time_driven import Outage
from tracker.core.queries.workload import Workload
from tracker.core.reconciliation.sweep_report import Unreadable


class AccountHealth(msgspec.Struct):
    """`swept_at` is the last whole sweep (Unix milliseconds); `failure` what the last one failed of, if it did.

    `failing_since` is when the first of those that failed ended, with none in between that did not; `due_at` when it is looked
    at again. `unreadable` are the parts that the last sweep could not read while it could the rest, `clock_ahead` by how many
    seconds the provider's clock is ahead of ours.
    """

    swept_at: int | None = None
    failure: Failure | None = None
    failing_since: int | None = None
    due_at: int | None = None
    unreadable: tuple[Unreadable, ...] = ()
    clock_ahead: float = 0.0

    @property
    def known(self) -> bool:
        return self.swept_at is not None or self.failure is not None

    @property
    def outage(self) -> Outage | None:
        return Outage(self.failing_since, self.failure) if self.failure and self.failing_since is not None else None


class Health:
    """What the loops report and the surfaces show."""

    def __init__(self, accounts: Iterable[str] = ()) -> None:
        self.accounts: dict[str, AccountHealth] = {}
        self.watch(accounts)
        self.storage_error: str | None = None
        self.stuck: list[str] = []  # the loops that hang
        self.reload_error: str | None = None
        self.restart_needed: tuple[str, ...] = ()  # for these settings, which a reload could not change

    def watch(self, accounts: Iterable[str]) -> None:
        """Show these accounts from now on: what is known of those that stay is kept, that of the others is forgotten."""
        self.accounts = {name: self.accounts.get(name, AccountHealth()) for name in accounts}

    def swept(
        self,
        account: str,
        failure: Failure | None,
        now: int,
        *,
        unreadable: tuple[Unreadable, ...] = (),
        clock_ahead: float | None = None,
    ) -> None:
        """A sweep ended at `now` (Unix milliseconds)."""
        state = self.accounts[account]
        state.failure, state.unreadable = failure, unreadable
        if clock_ahead is not None:
            state.clock_ahead = clock_ahead
        if failure is None:
            state.swept_at, state.failing_since = now, None
        elif state.failing_since is None:
            state.failing_since = now

    def sweeps(self) -> dict[str, int]:
        """When each account that was swept was last swept whole (Unix milliseconds)."""
        return {name: state.swept_at for name, state in self.accounts.items() if state.swept_at is not None}

    def due(self, account: str, at: int) -> None:
        """The account is looked at again then (Unix milliseconds)."""
        self.accounts[account].due_at = at

    def not_ready_because(self) -> list[str]:
        """Why the daemon is not ready; empty where it is."""
        return self._broken() + [f"account {name}: not swept yet" for name, state in self.accounts.items() if not state.known]

    def status(self, workload: Workload | None) -> str:
        """The state of the daemon in one line: the numbers, and every problem."""
        parts = [str(workload)] if workload else ["starting"]
        parts += self._broken()
        parts += [f"account {name}: {state.failure.reason}" for name, state in self.accounts.items() if state.failure]
        parts += [
            f"account {name}: {sum(each.jobs for each in state.unreadable)} unreadable"
            for name, state in self.accounts.items()
            if state.unreadable
        ]
        if self.reload_error:
            parts.append(f"reload failed: {self.reload_error}")
        if self.restart_needed:
            parts.append(f"restart needed for {', '.join(self.restart_needed)}")
        return "; ".join(parts)

    def _broken(self) -> list[str]:
        storage = [f"storage: {self.storage_error}"] if self.storage_error else []
        return storage + [f"{loop} hangs" for loop in self.stuck]
