"""The outcome of an attempt by what Apprise logged of it."""

import pytest

from tracker.core.deliveries.delivery import Outcome, Result
from tracker.delivery.notifiers.apprise.outcome import outcome_of

CANARY = "c4nary-t0ken"


@pytest.mark.parametrize(
    ("log", "outcome"),
    [
        ([], Outcome(result=Result.REFUSED, detail="Apprise gives no reason")),
        (
            [("WARNING", f"Invalid token {CANARY}\n\x1b[31m"), ("ERROR", "second")],
            Outcome(result=Result.REFUSED, detail="Invalid token [redacted] [31m"),
        ),
        (
            [("WARNING", "Failed to send X: Gone, error=410."), ("DEBUG", f"Response Details:\r\nb'no {CANARY}\\n'")],
            Outcome(result=Result.GONE, detail="Failed to send X: Gone, error=410.", status=410, answer="no [redacted]\n"),
        ),
        (
            [("WARNING", "Failed, error=500."), ("DEBUG", "Response Details:\r\nb'cut of")],
            Outcome(result=Result.SERVER, detail="Failed, error=500.", status=500, answer="b'cut of"),
        ),
        (
            [("WARNING", "A Connection error occurred"), ("DEBUG", f"Socket Exception: no route to {CANARY}")],
            Outcome(result=Result.NETWORK, detail="A Connection error occurred: no route to [redacted]"),
        ),
        (
            [("WARNING", "No mail"), ("DEBUG", "Socket Exception: (421, b'later')")],
            Outcome(result=Result.SERVER, detail="No mail: (421, b'later')"),
        ),
    ],
)
def test_failure_is_read_from_the_log(log, outcome):
    """Status, reason and answer come from the log, on one line and without a secret; the first line counts."""
    assert outcome_of(log, [CANARY], delivered=False) == outcome


def test_success_needs_no_log():
    """What was delivered is delivered, whatever was logged on the way."""
    assert outcome_of([("WARNING", "error=500.")], [], delivered=True) == Outcome(result=Result.DELIVERED)
