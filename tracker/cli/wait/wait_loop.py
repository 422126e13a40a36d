"""Owns a wait from its beginning to its end: all jobs are over, or the time is, while the view is redrawn."""

from typing import Final

import anyio

from tracker.cli.wait.log_or_api_source import LogOrApiSource
from tracker.cli.wait.state import TIMED_OUT, Waiting
from tracker.config import account_names
from tracker.core.errors.config_error import ConfigError
from tracker.http.client import http_client, tls_context
from tracker.runtime.task_groups import task_group

TICK: Final = 0.25
"""Seconds between two pictures on a terminal."""


def check_configured(config: str | None, account: str | None) -> None:
    """Raise `ConfigError` if the configuration has no such account."""
    known = account_names(config)
    if account is not None and account not in known:
        raise ConfigError(f"no account {account!r} in the configuration; there are: {', '.join(known)}")


async def wait_until_over(config: str | None, account: str | None, waiting: Waiting, timeout: float | None) -> None:  # noqa: ASYNC109 - the user's
    """Wait for all jobs of `waiting`, or for `timeout` seconds; then those that are not over have timed out."""
    async with http_client(tls_context()) as http, task_group() as group:
        group.start_soon(_tick, waiting)
        with anyio.move_on_after(timeout) as scope:
            await LogOrApiSource(config, account, waiting, http).run()
        if scope.cancelled_caught:
            for awaited in waiting.outstanding:
                waiting.end(awaited, TIMED_OUT)
        group.cancel_scope.cancel()


async def _tick(waiting: Waiting) -> None:
    while True:
        waiting.view.tick(waiting)
        await anyio.sleep(TICK)
