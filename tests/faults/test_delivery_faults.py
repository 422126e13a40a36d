"""Receivers behind a proxy that resets, swallows and spoils: everything arrives, in order, no oftener than faults explain."""

import json
import os
import signal
import sqlite3
from collections import Counter, defaultdict
from contextlib import AsyncExitStack, closing
from datetime import datetime
from functools import partial
from itertools import pairwise

import anyio
import pytest
import standardwebhooks
from fault_proxy import FAULTS, Fault, FaultProxy, Gate
from planting import (
    A_NEW_ID_FOR_EACH_ATTEMPT,
    A_RESET_IS_TAKEN_FOR_YES,
    ALL_WAIT_FOR_ONE_ANOTHER,
    NOBODY_IS_WAITED_FOR,
    ONE_WAITS_FOR_THE_ATTEMPTS_OF_OTHERS,
    plant,
)
from proc import descriptors, memory
from recording_receiver import RecordingReceiver, give
from simulated_jobs import begin, end
from tracking import Installation, simulated
from truth import Log

from tracker.http.client import CONNECTIONS

MINUTES = float(os.environ.get("DELIVERY_MINUTES", "10"))
"""How long the long form lasts."""

EVENTS = ("batch.created", "batch.started", "batch.completed")
JOBS = 6
TIMEOUT = 1.0
HANGING_TIMEOUT, PATIENCE = 60.0, 50.0
"""Seconds: the hanging receiver is waited for longer than the receiver that is well takes on any machine."""

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MEGABYTE = 1024 * 1024


class Receiver(RecordingReceiver):
    """One behind a proxy with some of the `FAULTS`; what it is sent has to be signed."""

    def __init__(self, name, faults, seed, rate=0.3, *, timeout=TIMEOUT, spoils=None):
        super().__init__(name, EVENTS)
        self.unsigned = []
        self.offered = set()  # the events that its proxy was sent, where requests are spoilt by what they hold
        self._timeout = timeout
        self._retry = ("2s" if spoils else "100ms",) * 60  # time for what comes later to be sent meanwhile
        self._oracle = standardwebhooks.Webhook(SECRET)
        self._spoiling = faults, seed, rate, spoils and partial(spoils, self)

    def keep(self, headers, body):
        super().keep(headers, body)
        try:
            self._oracle.verify(body, dict(headers))
        except standardwebhooks.WebhookVerificationError:
            self.unsigned.append(self.got[-1])

    async def behind_a_proxy(self, stack, installation):
        await stack.enter_async_context(self.serving())
        self.proxy = await stack.enter_async_context(FaultProxy(self.url, *self._spoiling).serving())
        self.url = self.proxy.url
        give(installation, self, hold="forever", timeout=f"{self._timeout:g}s", retry=self._retry)
        with installation.config.open("a") as config:
            config.write('secret = { env = "SECRET" }\n')

    def check(self, deliveries):
        """All of its `deliveries` arrived as they should have, by what it has got and what its proxy has done."""
        assert self.unsigned == []
        assert self.proxy.rate == 0.0 or any(fault for _, fault in self.proxy.met), f"{self.name}: nothing was spoilt"
        last, times, met = Counter(), Counter(self.ids), defaultdict(list)
        for _, body in self.got:
            event = json.loads(body)
            job = event["data"]["id"]
            assert last[job] <= event["seq"], f"{self.name}: {event['id']} came late"  # its copies too: `hold` never ends
            last[job] = event["seq"]
        for id_, fault in self.proxy.met:
            met[id_] += [fault] if fault else []
        for delivery in deliveries:
            assert delivery["state"] == "delivered"
            _check_attempts(self.name, delivery["attempts"], met[delivery["event_id"]], times[delivery["event_id"]])
        _check_peace(self.name, [attempt for delivery in deliveries for attempt in delivery["attempts"]])


def _check_attempts(name, attempts, met, times):
    """Each fault that was `met` is in the log as a failed attempt, and each of the `times` but one is explained by one."""
    failed = [attempt for attempt in attempts if attempt["result"] != "delivered"]
    assert attempts[:-1] == failed, f"{name}: it was delivered, and went on"
    assert len(failed) >= sum(fault.fails for fault in met), f"{name}: a fault was taken for an answer"
    assert times - 1 <= len(failed) - sum(not fault.arrives for fault in met), f"{name}: sent again"
    for attempt, following in pairwise(attempts):
        asked = 1.0 if attempt["status"] in (429, 503) else 0.0
        assert _seconds(attempt["ended_at"], following["began_at"]) >= asked, f"{name}: Retry-After was not honored"


def _check_peace(name, attempts):
    """After an answer that asked for a second of peace nothing began within it, to whichever delivery that was an answer."""
    asked = [attempt["ended_at"] for attempt in attempts if attempt["status"] in (429, 503)]
    early = [(at, each["began_at"]) for at in asked for each in attempts if 0 < _seconds(at, each["began_at"]) < 1.0]
    assert not early, f"{name}: Retry-After was not honored"


class Attack:
    """A daemon whose jobs begin and end, and whose receivers are hard to reach, but for the first, which is always well."""

    def __init__(self, simulator, installation, receivers, gate, patience):
        self.simulator, self.installation, self.receivers = simulator, installation, receivers
        self.well, self.hanging, *_ = receivers
        self.gate, self.patience = gate, patience
        self.rounds = 0
        self.used = []  # descriptors, and bytes, from time to time

    async def round(self, daemon):
        """Jobs begin and end, and every receiver hears of it; one hangs until another, which is well, has heard of all."""
        heard = len(self.well.got)
        self.gate.shut()
        self.hanging.proxy.rate = 1.0
        jobs = begin(self.simulator, 2)
        with anyio.fail_after(60):
            await self.gate.holds(1 if self.rounds else 2)  # its circuit may be open by the second round
        jobs += begin(self.simulator, JOBS - len(jobs))
        await self._well_hears(heard + 2 * JOBS)
        for job in jobs:
            end(self.simulator, job)
        await self._well_hears(heard + 3 * JOBS)
        self.hanging.proxy.rate = 0.0
        self.gate.open()
        self.rounds += 1
        with anyio.fail_after(120):
            while _pending(self.installation):
                assert not daemon.ended.is_set(), f"it ended: {daemon.lines[-3:]}"
                self.used.append((descriptors(daemon.process.pid), memory(daemon.process.pid, "VmRSS")))
                await anyio.sleep(0.1)

    async def _well_hears(self, number):
        """The receiver that is well has this many requests, while the hanging one has had no answer."""
        try:
            await self.well.reads(number - len(self.well.got), seconds=self.patience)
        except TimeoutError:
            raise AssertionError("a receiver that is well waited for one that hangs") from None

    async def check(self):
        """What came of it: the number of deliveries, of failed attempts, and of copies."""
        log = Log(self.installation.database)
        log.has_all_that_was_received(*self.receivers)
        log.has_a_delivery_for_each(*self.receivers)
        log.was_received(*self.receivers, last=len(log.events))
        output = await self.installation.command("deliveries", "--json")
        deliveries = [json.loads(line) for line in output.stdout.splitlines()]
        for receiver in self.receivers:
            receiver.check([delivery for delivery in deliveries if delivery["receiver"] == receiver.name])
        failed = sum(attempt["result"] != "delivered" for delivery in deliveries for attempt in delivery["attempts"])
        return len(deliveries), failed, sum(len(each.ids) - len(set(each.ids)) for each in self.receivers)


def _pending(installation):
    with closing(sqlite3.connect(f"file:{installation.database}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM deliveries WHERE state = 'pending'").fetchone()[0]


def _seconds(since, until):
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


async def attacked(folder, names, *, minutes=0.0, seed=1, bug=None, spoils=None, patience=PATIENCE):
    """Receivers with one of the `FAULTS` each, and one with all of them, for so long, but for one round at least."""
    faults, gate = [FAULTS[name] for name in names], Gate()
    receivers = [
        Receiver("well", [], seed, 0.0),
        Receiver("hanging", [Fault(gate)], seed, 0.0, timeout=HANGING_TIMEOUT),
        Receiver("mixed", faults, seed),
        *(Receiver(name, [FAULTS[name]], seed + number, spoils=spoils) for number, name in enumerate(names)),
    ]
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(simulated())
        installation = Installation(folder, simulator.url, poll_interval="100ms", request_timeout="30s")
        installation.environment["SECRET"] = SECRET
        for receiver in receivers:
            await receiver.behind_a_proxy(stack, installation)
        if bug:
            plant(installation, bug)
        attack = Attack(simulator, installation, receivers, gate, patience)
        daemon = await stack.enter_async_context(installation.running())
        until = anyio.current_time() + minutes * 60
        while not attack.rounds or anyio.current_time() < until:
            await attack.round(daemon)
        assert await daemon.stop(signal.SIGTERM) == 0
    deliveries, failed, copies = await attack.check()
    problems = {line["event"] for line in daemon.lines if line["level"] not in ("debug", "info")}
    assert problems <= {"delivery.failed", "receiver.failing"}
    most, bytes_ = (max(each) for each in zip(*attack.used, strict=True))
    figures = (
        f"{deliveries} deliveries, {failed} failed attempts, {copies} copies, {most} descriptors, {bytes_ / MEGABYTE:.0f} MB"
    )
    print(f"{attack.rounds} rounds: {figures}")  # noqa: T201 - of a long run
    assert most < len(receivers) * CONNECTIONS + 50, figures
    assert bytes_ < 150 * MEGABYTE, figures


def the_first_attempt_at_a_beginning(receiver, body):
    """Whether it is of a job's beginning, and the first request with this event."""
    event = json.loads(body)
    is_first = event["id"] not in receiver.offered
    receiver.offered.add(event["id"])
    return is_first and event["type"] == EVENTS[0]


async def test_each_job_meets_a_fault(tmp_path):
    """A lost first event is not overtaken, a lost answer brings the same ID again, a healthy receiver waits for no other."""
    await attacked(tmp_path, ["hung-up-on", "answer-dropped"], spoils=the_first_attempt_at_a_beginning)


@pytest.mark.slow
async def test_receivers_that_are_hard_to_reach(tmp_path):
    """Everything arrives, signed and unchanged, in order, as often as faults explain; a healthy receiver waits for no other."""
    await attacked(tmp_path, FAULTS)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_receivers_that_stay_hard_to_reach(tmp_path):
    """The same again and again, for minutes."""
    await attacked(tmp_path, FAULTS, minutes=MINUTES)


def until_a_later_one_came(receiver, body):
    """Whether it is of a job's beginning, and nothing later of the job has come."""
    event = json.loads(body)
    later = (json.loads(other) for _, other in receiver.got)
    return event["type"] == EVENTS[0] and not any(
        other["data"]["id"] == event["data"]["id"] and other["seq"] > event["seq"] for other in later
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "fault", "spoils", "found"),
    [
        (A_RESET_IS_TAKEN_FOR_YES, "answer-dropped", None, "a fault was taken for an answer"),
        (A_NEW_ID_FOR_EACH_ATTEMPT, "answer-dropped", None, "was sent what the log has not"),
        (NOBODY_IS_WAITED_FOR, "hung-up-on", until_a_later_one_came, "came late"),
        (ALL_WAIT_FOR_ONE_ANOTHER, "black-hole", None, "waited for one that hangs"),
        (ONE_WAITS_FOR_THE_ATTEMPTS_OF_OTHERS, "black-hole", None, "waited for one that hangs"),
    ],
    ids=["a dropped answer is a yes", "a new id", "hold ignored", "all share their places", "waits for others"],
)
async def test_deliveries_that_are_wrong_are_found(tmp_path, bug, fault, spoils, found):
    """A product with one of these bugs does not stand a single round: what shows the bug is arranged, not drawn."""
    with pytest.raises(AssertionError, match=found):
        await attacked(tmp_path, [fault], bug=bug, spoils=spoils, patience=5.0)
