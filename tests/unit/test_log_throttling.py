"""What goes wrong again and again: said at once, then now and then with how often, and never lost."""

import pytest
from structlog import DropEvent

from tracker.logs.throttling import EVERY, MOST, TEMPLATE, LogThrottle


class Saying:
    """A repetition, its clock, and all that was said, in order."""

    def __init__(self):
        self.now = 1000.0
        self.lines = []
        self.throttle = LogThrottle(lambda: self.now, self.lines.append)

    def tell(self, event, level="warning", after=0.0, **values):
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
        """What each line says under `keys`."""
        return [tuple(line.get(key) for key in keys) for line in self.lines]


@pytest.fixture
def saying():
    return Saying()


def test_the_same_failure_is_said_now_and_then(saying):
    """Of a failure every second for half an hour the first is said, then one line each ten minutes that stands for the rest."""
    for number in range(1800):
        saying.tell("delivery.failed", after=1.0, receiver="a", reason="server", seq=number, detail=f"HTTP 500 {number}")
        saying.throttle.flush_due()
    assert saying.fields("seq", "times", "since") == [(0, None, None), (600, 600, 1002.0), (1200, 600, 1602.0)]
    saying.throttle.flush_all()
    assert sum(line.get("times", 1) for line in saying.lines) == 1800


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
def test_another_failure_is_said_at_once(saying, other):
    """What differs in who, whom or why is another failure."""
    first = {"event": "delivery.failed", "receiver": "a", "account": "x", "reason": "server"}
    assert saying.tell(**first)
    assert not saying.tell(**first)
    assert saying.tell(**first | other)


def test_a_line_that_stands_for_itself_alone_is_just_late(saying):
    """One that was kept back is said with its own time and words, without a count, once its time has come."""
    saying.tell("delivery.dead", "error", receiver="a", seq=1)
    saying.tell("delivery.dead", "error", after=1.0, receiver="a", seq=2)
    saying.wait(EVERY - 2.0)
    assert len(saying.lines) == 1
    saying.wait(1.0)
    assert saying.lines[1] == {"event": "delivery.dead", "level": "error", "timestamp": 1001.0, "receiver": "a", "seq": 2}


def test_ten_thousand_dead_deliveries_are_two_lines_that_count_them(saying):
    """A mass of distinct losses is said as one and a sum, and none is missing in it, even if nothing ever fails again."""
    for seq in range(10_000):
        saying.tell("delivery.dead", "error", receiver="a", reason="server", seq=seq, all="list them")
    saying.wait(EVERY)
    assert saying.fields("seq", "times", "all") == [(0, None, "list them"), (9_999, 9_999, "list them")]


def test_the_end_is_told_with_what_was_kept_back(saying):
    """Once it works again the count comes first; the next outage is counted from one, and no report is repeated."""
    for _ in range(5):
        saying.tell("sweep.failed", after=15.0, account="a", reason="server")
    saying.tell("sweep.recovered", "info", account="a")
    saying.wait(EVERY)
    assert saying.fields("event", "times") == [("sweep.failed", None), ("sweep.failed", 4), ("sweep.recovered", None)]
    assert saying.tell("sweep.failed", account="a", reason="server")


def test_an_outage_that_comes_and_goes_is_not_said_each_time(saying):
    """Neither the blips within the ten minutes nor their ends are said, but their number, and that it works again."""
    for _ in range(10):
        saying.tell("sweep.failed", after=15.0, account="a", reason="network")
        saying.tell("sweep.recovered", "info", after=15.0, account="a")
    saying.wait(EVERY)
    expected = [("sweep.failed", None, None), ("sweep.recovered", None, None), ("sweep.failed", 9, True)]
    assert saying.fields("event", "times", "works_again") == expected


def test_a_blip_that_becomes_an_outage_is_said(saying):
    """An outage whose beginning was kept back is said within the ten minutes while it goes on, and so is its end then."""
    saying.tell("receiver.failing", receiver="a", reason="server")
    saying.tell("receiver.recovered", "info", receiver="a")
    saying.tell("receiver.failing", after=60.0, receiver="a", reason="server")
    saying.wait(EVERY)
    assert saying.tell("receiver.recovered", "info", after=1.0, receiver="a")
    assert saying.fields("event", "works_again") == [("receiver.failing", None), ("receiver.recovered", None)] * 2


def test_one_end_does_not_end_anothers_outage(saying):
    """That one account works again says nothing of another."""
    for account in ("a", "b"):
        saying.tell("sweep.failed", account=account, reason="server")
        saying.tell("sweep.failed", account=account, reason="server")
    saying.tell("sweep.recovered", "info", account="a")
    assert saying.fields("event", "account")[2:] == [("sweep.failed", "a"), ("sweep.recovered", "a")]


def test_the_one_store_fails_once_for_all(saying):
    """A failed store is one failure, whichever task meets it; it recovers once."""
    for who in ({"account": "a"}, {"receiver": "b"}, {}):
        saying.tell("storage.failed", "error", **who)
    for who in ({"account": "a"}, {"receiver": "b"}):
        saying.tell("storage.recovered", "info", **who)
    assert saying.fields("event", "times") == [("storage.failed", None), ("storage.failed", 2), ("storage.recovered", None)]


@pytest.mark.parametrize(
    ("event", "level"),
    [("batch.failed", "warning"), ("configuration.reload_failed", "error"), ("configuration.restart_needed", "warning"),
     ("process.started", "info"), ("delivery.succeeded", "debug"), ("process.crashed", "critical")],
)  # fmt: skip
def test_what_is_no_repetition_is_always_said(saying, event, level):
    """A batch's event, an answer to a request, a success and the daemon's end are logged each time."""
    assert all(saying.tell(event, level, account="a") for _ in range(3))


def test_messages_of_a_library_are_the_same_by_their_template(saying):
    """Two messages made from one template are one failure, whatever was filled in; the template itself is not said."""
    for number in range(3):
        saying.tell(f"task {number} failed", "error", logger="asyncio", **{TEMPLATE: "task %s failed"})
    saying.tell("task 1 died", "error", logger="asyncio", **{TEMPLATE: "task %s died"})
    saying.wait(EVERY)
    assert saying.fields("event", "times") == [("task 0 failed", None), ("task 1 died", None), ("task 2 failed", 2)]
    assert TEMPLATE not in saying.lines[0]


def test_memory_is_bounded_and_what_is_forgotten_is_said(saying):
    """Of ever new failures only so many are remembered, and what one kept back is said before it is forgotten."""
    saying.tell("delivery.failed", receiver="first", seq=1)
    saying.tell("delivery.failed", receiver="first", seq=2)
    for number in range(MOST + 50):
        saying.tell("delivery.failed", after=0.001, receiver=f"r{number}")
    assert len(saying.throttle._failures) == MOST
    assert ("first", 2) in saying.fields("receiver", "seq")
    saying.wait(EVERY)
    assert saying.throttle._failures == {}


def test_nothing_is_lost_at_the_end(saying):
    """A daemon that ends says what it had kept back."""
    saying.tell("delivery.failed", receiver="a", seq=1)
    saying.tell("delivery.failed", receiver="a", seq=2)
    saying.throttle.flush_all()
    saying.throttle.flush_all()
    assert saying.fields("seq") == [(1,), (2,)]
