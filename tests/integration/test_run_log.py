"""What the log throttles is reported while the daemon runs."""

import anyio
import structlog

from tracker.cli.commands import run
from tracker.core.text.redaction import Redaction
from tracker.logs import setup as log
from tracker.logs.throttling import EVERY, LogThrottle


async def test_what_was_kept_back_is_reported_while_the_daemon_runs(monkeypatch):
    """A failure that never happens again after it was kept back is said all the same, with no other line to make it."""
    began, moments, said, reported = anyio.current_time(), [0.0], [], anyio.Event()
    passed = lambda: moments[0] + anyio.current_time() - began  # noqa: E731 - a clock
    throttle = LogThrottle(passed, lambda event: (said.append(event), reported.set()))
    throttle(None, "error", {"event": "delivery.dead", "level": "error", "seq": 1})
    for seq in (2, 3):
        try:
            throttle(None, "error", {"event": "delivery.dead", "level": "error", "seq": seq})
        except structlog.DropEvent:
            moments[0] += EVERY / 2 - 0.1

    async def until_reported(*_):
        with anyio.fail_after(20):
            await reported.wait()

    monkeypatch.setattr(run, "run_until_signal", until_reported)
    await run._run(None, None, log.Log(Redaction(()), throttle))
    assert [(line["seq"], line["times"]) for line in said] == [(3, 2)]
