"""The directives of a webhook's receiver in the header `webhook-delivery`: which outcomes it changes, and which it does not."""

import pytest
from core_samples import NOW
from structlog.testing import capture_logs

from tracker.core.deliveries.delivery import Delivery, Outcome, Result, settle
from tracker.delivery.notifiers.webhook.response_directives import ResponseDirectives
from tracker.http.client import Answer, NoAnswer

DELIVERED = Outcome(result=Result.DELIVERED, status=200)
FAILED = Outcome(result=Result.SERVER, status=503, detail="HTTP 503", retry_after=7.0)
DELIVERY = Delivery(receiver="r", seq=1, event_id="evt_1", type="batch.failed", stream="a/j", attempts=0, body="{}")


def wished(outcome, header, directives=None):
    headers = {} if header is None else {"webhook-delivery": header}
    directives = directives or ResponseDirectives(lambda text: text.decode())
    return directives.apply(outcome, Answer(outcome.status, headers, b""), "r")


@pytest.mark.parametrize(
    ("outcome", "header", "result", "state"),
    [
        (DELIVERED, "abort-message", Result.DELIVERED, "delivered"),
        (DELIVERED, "disable", Result.DELIVERED, "delivered"),
        (FAILED, "abort-message", Result.SERVER, "dead"),
        (FAILED, "disable", Result.GONE, "pending"),
        (FAILED, "disable, abort-message", Result.GONE, "dead"),
        (FAILED, " Abort-Message ", Result.SERVER, "dead"),
        (FAILED, None, Result.SERVER, "pending"),
        (FAILED, "retry-later", Result.SERVER, "pending"),
        (FAILED, "", Result.SERVER, "pending"),
        (FAILED, "x" * 100_000 + ",abort-message", Result.SERVER, "pending"),
    ],
)
def test_wish_decides_about_this_delivery(outcome, header, result, state):
    """Aborted it is dead at once, unless it was taken; disabled it waits; what is unknown or endless is ignored."""
    after = wished(outcome, header)
    assert after.result is result
    assert settle(DELIVERY, after, (5.0, 60.0), (NOW, NOW), 0.5).state == state


@pytest.mark.parametrize(
    ("outcome", "header"), [(DELIVERED, "disable"), (FAILED, "disable"), (FAILED, "disable,abort-message")]
)
def test_wish_to_be_disabled_is_granted(outcome, header):
    """It says so whatever the status is, and the detail names the header."""
    after = wished(outcome, header)
    assert after.disables
    assert after.detail.startswith(f"HTTP {outcome.status}, webhook-delivery: ")
    assert after.detail.endswith("disable")


def test_abort_keeps_what_else_the_answer_says():
    """The status, and the pause that it asks for, stay."""
    after = wished(FAILED, "abort-message")
    assert (after.status, after.pause_seconds, after.detail) == (503, 7.0, "HTTP 503, webhook-delivery: abort-message")


def test_unknown_value_is_logged_once_and_without_secrets():
    """A hostile receiver can write one line, of bounded length."""
    directives = ResponseDirectives(lambda text: text.decode().replace("canary", "[redacted]"))
    with capture_logs() as logged:
        for _ in range(3):
            wished(FAILED, "\x1b[31m" + "canary" * 1000, directives)
    (line,) = logged
    assert line["event"] == "header.ignored"
    assert "canary" not in line["found"].removesuffix("…").replace("[redacted]", "")[:-10]
    assert line["found"].isprintable()
    assert len(line["found"]) <= 100


def test_no_answer_has_no_wish():
    """Without an answer there is no header."""
    outcome = Outcome(result=Result.NETWORK, detail="refused")
    assert ResponseDirectives(bytes.decode).apply(outcome, NoAnswer("refused"), "r") is outcome
