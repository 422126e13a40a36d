"""Owns the health of the daemon: what each account and the store last did, and whether the daemon is ready."""

from collections.abc import Iterable, Mapping

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.events.time_limits import Outage
from tracker.core.queries.workload import Workload
from tracker.core.reconciliation.sweep_report import Unreadable


class AccountHealth(msgspec.Struct):
    """The state of one account.

    `swept_at` is when the last complete sweep ended (Unix milliseconds); `failure` is why the last sweep failed, if it did.
    `failing_since` is when the first of the consecutive failed sweeps ended; `due_at` is when the next sweep is due.
    `unreadable` are the parts that the last sweep could not read while it could read the rest. `clock_ahead` is how many
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
    def is_to_wait(self) -> bool:
        """Whether the last sweep failed since the API asked for no request for some time."""
        return bool(self.failure and self.failure.retry_after)

    @property
    def outage(self) -> Outage | None:
        return Outage(self.failing_since, self.failure) if self.failure and self.failing_since is not None else None


class HeldElsewhere(msgspec.Struct, frozen=True):
    """An account that this process does not poll: the replica that does, None where none does, and what was last said of it."""

    holder: str | None
    state: AccountHealth


class Health:
    """The health of the daemon, as the loops report it. `accounts` are those that this process polls.

    A start is complete once each account of the configuration was swept here, is known to fail, or is polled by another
    replica. Until then the daemon is not ready; an account that comes later, by a reload or from another replica, keeps it so.
    """

    def __init__(self, accounts: Iterable[str] = (), replica: str | None = None) -> None:
        """`accounts` are those of the configuration. `replica` is the name of this process if others may share its database."""
        self.replica = replica
        self.accounts: dict[str, AccountHealth] = {}
        self.elsewhere: Mapping[str, HeldElsewhere] = {}
        self._start_awaits = dict.fromkeys(accounts)
        self.watch(self._start_awaits)
        self.storage_error: str | None = None
        self.stuck: list[str] = []  # the loops that hang
        self.reload_error: str | None = None
        self.restart_needed: tuple[str, ...] = ()  # the settings that a reload could not change

    def watch(self, accounts: Iterable[str]) -> None:
        """Report on these accounts from now on. The state of accounts that stay is kept, that of others is dropped.

        An account that another replica has polled well until now is as good as swept.
        """
        self.accounts = {name: self.accounts.get(name) or self._taken_over(name) for name in accounts}

    def configured(self, accounts: Iterable[str]) -> None:
        """The configuration has these accounts from now on: the start waits for no other one."""
        self._await_no_more(self._start_awaits.keys() - set(accounts))

    def seen_elsewhere(self, elsewhere: Mapping[str, HeldElsewhere]) -> None:
        """These are the accounts that this process does not poll.

        The start waits for none that another replica polls, and for none that its API has asked not to ask yet.
        """
        self.elsewhere = elsewhere
        self._await_no_more(
            name for name, held in elsewhere.items() if held.holder not in (None, self.replica) or held.state.is_to_wait
        )

    def of(self, account: str) -> AccountHealth:
        """The state of the account, whichever replica polls it."""
        return self.accounts.get(account) or (self.elsewhere[account].state if account in self.elsewhere else AccountHealth())

    def holder(self, account: str) -> str | None:
        """The replica that polls the account; None where none does, and where there are no replicas."""
        if account in self.accounts:
            return self.replica
        return self.elsewhere[account].holder if account in self.elsewhere else None

    def everywhere(self) -> Mapping[str, AccountHealth]:
        """The state of all accounts, whichever replica polls them, as far as it is known."""
        return {**{name: held.state for name, held in self.elsewhere.items()}, **self.accounts}

    def swept(
        self,
        account: str,
        failure: Failure | None,
        now: int,
        *,
        unreadable: tuple[Unreadable, ...] = (),
        clock_ahead: float | None = None,
    ) -> None:
        """A sweep ended at `now` (Unix milliseconds). One of an account that is not watched any more does not count."""
        state = self.accounts.get(account)
        if state is None:
            return
        self._await_no_more([account])
        state.failure, state.unreadable = failure, unreadable
        if clock_ahead is not None:
            state.clock_ahead = clock_ahead
        if failure is None:
            state.swept_at, state.failing_since = now, None
        elif state.failing_since is None:
            state.failing_since = now

    def sweeps(self) -> dict[str, int]:
        """When the last complete sweep of each account ended (Unix milliseconds), of those that had one."""
        return {name: state.swept_at for name, state in self.accounts.items() if state.swept_at is not None}

    def due(self, account: str, at: int) -> None:
        """The next sweep of the account is due then (Unix milliseconds)."""
        if account in self.accounts:
            self.accounts[account].due_at = at

    def not_ready_because(self) -> list[str]:
        """Why the daemon is not ready; empty if it is ready."""
        return self._broken() + [f"account {name}: {self._awaited(name)}" for name in self._start_awaits]

    def status(self, workload: Workload | None) -> str:
        """The state of the daemon in one line: the numbers, and every problem."""
        parts = [str(workload)] if workload else ["starting"]
        parts += self._broken()
        states = self.everywhere()
        parts += [f"account {name}: {state.failure.reason}" for name, state in states.items() if state.failure]
        parts += [
            f"account {name}: {sum(each.jobs for each in state.unreadable)} unreadable"
            for name, state in states.items()
            if state.unreadable
        ]
        if self.reload_error:
            parts.append(f"reload failed: {self.reload_error}")
        if self.restart_needed:
            parts.append(f"restart needed for {', '.join(self.restart_needed)}")
        return "; ".join(parts)

    def _taken_over(self, account: str) -> AccountHealth:
        held = self.elsewhere.get(account)
        return AccountHealth(swept_at=held.state.swept_at) if held and held.state.failure is None else AccountHealth()

    def _await_no_more(self, accounts: Iterable[str]) -> None:
        for name in accounts:
            self._start_awaits.pop(name, None)

    def _awaited(self, account: str) -> str:
        return "not swept yet" if account in self.accounts else "no replica polls it yet"

    def _broken(self) -> list[str]:
        storage = [f"storage: {self.storage_error}"] if self.storage_error else []
        return storage + [f"{loop} hangs" for loop in self.stuck]
