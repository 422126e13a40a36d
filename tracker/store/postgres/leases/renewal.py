"""Owns one renewal: a transaction that keeps what this replica holds, gives back, and takes its share of what is free."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import asyncpg

from tracker.core.replicas.balance import part_of
from tracker.core.replicas.lease import LeaseKey
from tracker.store.postgres.leases import lease_table as table
from tracker.store.postgres.leases.held_leases import HeldLeases
from tracker.store.postgres.leases.replica_context import ReplicaSetup
from tracker.store.postgres.notification_sender import Signals


class Facts(NamedTuple):
    """What a sharing of the leases follows from."""

    leases: str
    """The digest of the table."""
    wishes: frozenset[tuple[str, str]]
    """The digest of what each replica wants."""
    held: Mapping[LeaseKey, int]


class Renewed(NamedTuple):
    """What a renewal found, once it is committed."""

    server_now: int
    others: Sequence[table.ReplicaRow]
    digest: str
    """Of what this replica wants, as it stands in the database."""
    reports: Mapping[LeaseKey, str]
    """Those that were written."""
    epochs: Mapping[LeaseKey, int]
    """Everything that this replica holds and may use."""
    to_give_back: frozenset[LeaseKey] = frozenset()
    given_back: frozenset[LeaseKey] = frozenset()
    settled: Facts | None = None
    """The facts, if nothing is left to do as long as they stay so."""


class Renewal:
    """Renews for one replica. What it wants is written when it has changed."""

    def __init__(self, setup: ReplicaSetup, held: HeldLeases) -> None:
        self._member, self._sender = setup.member, setup.sender
        self._held = held
        self._valid = setup.times.valid
        self._wanted = _Wanted(frozenset())
        self._digest = ""  # of what the database has as wanted
        self._settled: Facts | None = None

    def joined(self) -> None:
        """The row of this replica is new: it wants nothing yet."""
        self._digest = ""

    def committed(self, renewed: Renewed) -> None:
        """What it has written is known to be in the database."""
        self._digest, self._settled = renewed.digest, renewed.settled
        self._held.reports_written(renewed.reports)
        self._held.given_back(renewed.given_back)

    async def run(self, connection: asyncpg.Connection) -> Renewed | None:
        """Within a transaction; None where this replica has been removed."""
        if self._wanted.keys != self._held.wanted:
            self._wanted = _Wanted(self._held.wanted)
        wanted, held, released = self._wanted, self._held.held(), self._held.released
        new = wanted if wanted.digest != self._digest else None
        text, digest = (new.text, new.digest) if new else (None, None)
        server_now = await table.renew(connection, self._member.instance, self._valid, text, digest)
        if server_now is None:
            return None
        if released:
            await table.give_back(connection, released, self._member.instance)
        reports = await self._write_reports(connection)
        replicas = await table.read_replicas(connection, wanted.digest)
        facts = Facts(
            await table.read_digest(connection), frozenset((each.instance, each.wanted_digest) for each in replicas), held
        )
        others = [replica for replica in replicas if replica.instance != self._member.instance]
        renewed = Renewed(server_now, others, wanted.digest, reports, held, settled=facts)
        if facts == self._settled and not released:
            return renewed
        shares = _Shares(self._member.instance, wanted.keys, replicas, await table.read_leases(connection))
        return await self._shared(connection, renewed, shares, released, is_changed=new is not None)

    async def _write_reports(self, connection: asyncpg.Connection) -> dict[LeaseKey, str]:
        reports = self._held.unwritten_reports()
        written = await table.write_reports(connection, reports, self._member.instance) if reports else set()
        return {key: reports[key] for key in written}

    async def _shared(
        self,
        connection: asyncpg.Connection,
        renewed: Renewed,
        shares: "_Shares",
        released: frozenset[LeaseKey],
        *,
        is_changed: bool,
    ) -> Renewed:
        """`renewed`, once this replica has taken and given back what it is to."""
        held = renewed.epochs
        unused = shares.mine.keys() - held.keys() - released  # of a renewal whose answer was lost, or that came too late
        surplus = frozenset(unused & shares.to_give_back)
        await self._tidy(connection, shares, surplus)
        to_take = (shares.to_take | (unused - surplus)) - held.keys()  # what was lost just now is first lost, then taken
        taken = await table.take(connection, to_take, self._member.instance, self._member.name) if to_take else {}
        given_back = released - shares.mine.keys()
        if is_changed or given_back or surplus:
            await self._sender.send(connection, Signals(leases=True))
        kept = {key: epoch for key, epoch in shares.mine.items() if held.get(key) == epoch}
        is_settled = kept == held and not (to_take or surplus or released or shares.is_untidy or shares.to_give_back)
        return renewed._replace(
            epochs=kept | taken,
            to_give_back=shares.to_give_back & kept.keys(),
            given_back=given_back,
            settled=renewed.settled if is_settled else None,
        )

    async def _tidy(self, connection: asyncpg.Connection, shares: "_Shares", surplus: frozenset[LeaseKey]) -> None:
        """Add the rows that are missing, delete those that no replica wants, and free what no worker uses."""
        if shares.unknown:
            await table.add(connection, shares.unknown)
        if shares.unwanted:
            await table.forget(connection, shares.unwanted)
        if surplus:
            await table.give_back(connection, surplus, self._member.instance)


class _Wanted:
    """What a replica wants, as JSON, and the digest of that."""

    def __init__(self, keys: frozenset[LeaseKey]) -> None:
        self.keys = keys
        self.text = table.encode_keys(keys)
        self.digest = hashlib.sha256(self.text.encode()).hexdigest()


class _Shares:
    """The tables as one transaction sees them, and what follows for one replica."""

    def __init__(
        self,
        instance: str,
        wanted: frozenset[LeaseKey],
        replicas: Iterable[table.ReplicaRow],
        leases: Iterable[table.LeaseRow],
    ) -> None:
        rows = {row.key: row for row in leases}
        wishes = {each.instance: wanted if each.wanted is None else table.decode_keys(each.wanted) for each in replicas}
        holders = {key: row.instance for key, row in rows.items() if row.instance is not None}
        wanted_by_any = frozenset[LeaseKey]().union(*wishes.values())
        self.to_take, self.to_give_back = part_of(instance, wishes, holders)
        self.unknown = wanted - rows.keys()
        self.unwanted = rows.keys() - holders.keys() - wanted_by_any
        self.mine = {key: row.epoch for key, row in rows.items() if row.instance == instance}

    @property
    def is_untidy(self) -> bool:
        """Whether rows are missing, or are there that no replica wants."""
        return bool(self.unknown or self.unwanted)
