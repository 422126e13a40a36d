"""A failure that repeats is logged at once, then every ten minutes with its count, and never lost."""

import pytest
from structlog import DropEvent

from tracker.logs.throttling import EVERY, MOST, TEMPLATE, LogThrottle


class ThrottledLog:
    """A throttle, its clock, and all lines that were logged, in order."""

    def __init__(self):
        self.now = 1000.0
        self.lines = []
        self.throttle = LogThrottle(lambda: self.now, self.lines.append)

    def log(self, event, level="warning", after=0.0, **values):
        self.now += after
        try:
            self.lines.append(self.throttle(None, level, {"event": event, "level": level, "timestamp": self.now, **values}))
        except DropEvent:
            return False
        return True

    def wait(self, seconds):
        self.now += seconds
        self.throttle.flush_due()

    def fields(self, *keys):
        """The values of `keys` in each line."""
        return [tuple(line.get(key) for key in keys) for line in self.lines]


@pytest.fixture
def log():
    return ThrottledLog()


def test_the_same_failure_is_reported_now_and_then(log):
    """Of a failure every second for half an hour the first is said, then one line each ten minutes that stands for the rest."""
    for number in range(1800):
        log.log("delivery.failed", after=1.0, receiver="a", reason="server", seq=number, detail=f"HTTP 500 {number}")
        log.throttle.flush_due()
    assert log.fields("seq", "times", "since") == [(0, None, None), (600, 600, 1002.0), (1200, 600, 1602.0)]
    log.throttle.flush_all()
    assert sum(line.get("times", 1) for line in log.lines) == 1800


@pytest.mark.parametrize(
    "other",
    [
        {"receiver": "b"},
        {"account": "z"},
        {"reason": "network"},
        {"event": "delivery.dead"},
        {"logger": "uvicorn.error"},
        {"part": "jobs"},
    ],
)
def test_another_failure_is_reported_at_once(log, other):
    """Another subject, another object or another reason makes another failure."""
    first = {"event": "delivery.failed", "receiver": "a", "account": "x", "reason": "server"}
    assert log.log(**first)
    assert not log.log(**first)
    assert log.log(**first | other)


def test_a_line_that_stands_for_itself_alone_is_just_late(log):
    """One that was kept back is said with its own time and words, without a count, once its time has come."""
    log.log("delivery.dead", "error", receiver="a", seq=1)
    log.log("delivery.dead", "error", after=1.0, receiver="a", seq=2)
    log.wait(EVERY - 2.0)
    assert len(log.lines) == 1
    log.wait(1.0)
    assert log.lines[1] == {"event": "delivery.dead", "level": "error", "timestamp": 1001.0, "receiver": "a", "seq": 2}


def test_ten_thousand_dead_deliveries_are_two_lines_that_count_them(log):
    """A mass of distinct losses is said as one and a sum, and none is missing in it, even if nothing ever fails again."""
    for seq in range(10_000):
        log.log("delivery.dead", "error", receiver="a", reason="server", seq=seq, all="list them")
    log.wait(EVERY)
    assert log.fields("seq", "times", "all") == [(0, None, "list them"), (9_999, 9_999, "list them")]


def test_the_end_is_reported_with_what_was_kept_back(log):
    """Once it works again the count comes first; the next outage is counted from one, and no report is repeated."""
    for _ in range(5):
        log.log("sweep.failed", after=15.0, account="a", reason="server")
    log.log("sweep.recovered", "info", account="a")
    log.wait(EVERY)
    assert log.fields("event", "times") == [("sweep.failed", None), ("sweep.failed", 4), ("sweep.recovered", None)]
    assert log.log("sweep.failed", account="a", reason="server")


def test_an_outage_that_comes_and_goes_is_not_said_each_time(log):
    """Neither the blips within the ten minutes nor their ends are said, but their number, and that it works again."""
    for _ in range(10):
        log.log("sweep.failed", after=15.0, account="a", reason="network")
        log.log("sweep.recovered", "info", after=15.0, account="a")
    log.wait(EVERY)
    expected = [("sweep.failed", None, None), ("sweep.recovered", None, None), ("sweep.failed", 9, True)]
    assert log.fields("event", "times", "works_again") == expected


def test_a_blip_that_becomes_an_outage_is_reported(log):
    """An outage whose beginning was kept back is said within the ten minutes while it goes on, and so is its end then."""
    log.log("receiver.failing", receiver="a", reason="server")
    log.log("receiver.recovered", "info", receiver="a")
    log.log("receiver.failing", after=60.0, receiver="a", reason="server")
    log.wait(EVERY)
    assert log.log("receiver.recovered", "info", after=1.0, receiver="a")
    assert log.fields("event", "works_again") == [("receiver.failing", None), ("receiver.recovered", None)] * 2


def test_one_end_does_not_end_anothers_outage(log):
    """That one account works again says nothing of another."""
    for account in ("a", "b"):
        log.log("sweep.failed", account=account, reason="server")
        log.log("sweep.failed", account=account, reason="server")
    log.log("sweep.recovered", "info", account="a")
    assert log.fields("event", "account")[2:] == [("sweep.failed", "a"), ("sweep.recovered", "a")]


def test_the_one_store_fails_once_for_all(log):
    """A failed store is one failure, whichever task meets it; it recovers once."""
    for who in ({"account": "a"}, {"receiver": "b"}, {}):
        log.log("storage.failed", "error", **who)
    for who in ({"account": "a"}, {"receiver": "b"}):
        log.log("storage.recovered", "info", **who)
    assert log.fields("event", "times") == [("storage.failed", None), ("storage.failed", 2), ("storage.recovered", None)]


@pytest.mark.parametrize(
    ("event", "level"),
    [("batch.failed", "warning"), ("configuration.reload_failed", "error"), ("configuration.restart_needed", "warning"),
     ("process.started", "info"), ("delivery.succeeded", "debug"), ("process.crashed", "critical")],
)  # fmt: skip
def test_what_is_no_repetition_is_always_said(log, event, level):
    """A batch's event, an answer to a request, a success and the daemon's end are logged each time."""
    assert all(log.log(event, level, account="a") for _ in range(3))


def test_messages_of_a_library_are_the_same_by_their_template(log):
    """Two messages made from one template are one failure, whatever was filled in; the template itself is not said."""
    for number in range(3):
        log.log(f"task {number} failed", "error", logger="asyncio", **{TEMPLATE: "task %s failed"})
    log.log("task 1 died", "error", logger="asyncio", **{TEMPLATE: "task %s died"})
    log.wait(EVERY)
    assert log.fields("event", "times") == [("task 0 failed", None), ("task 1 died", None), ("task 2 failed", 2)]
    assert TEMPLATE not in log.lines[0]


def test_memory_is_bounded_and_what_is_forgotten_is_reported(log):
    """Of ever new failures a bounded number is remembered, and what one kept back is said before it is forgotten."""
    log.log("delivery.failed", receiver="first", seq=1)
    log.log("delivery.failed", receiver="first", seq=2)
    for number in range(MOST + 50):
        log.log("delivery.failed", after=0.001, receiver=f"r{number}")
    assert len(log.throttle._failures) == MOST
    assert ("first", 2) in log.fields("receiver", "seq")
    log.wait(EVERY)
    assert log.throttle._failures == {}


def test_nothing_is_lost_at_the_end(log):
    """A daemon that ends says what it had kept back."""
    log.log("delivery.failed", receiver="a", seq=1)
    log.log("delivery.failed", receiver="a", seq=2)
    log.throttle.flush_all()
    log.throttle.flush_all()
    assert log.fields("seq") == [(1,), (2,)]
