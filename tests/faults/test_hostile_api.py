"""An API that answers with whatever it likes, to the real command: an error that names it, bounded memory, no hang."""

import signal
from functools import partial
from pathlib import Path
from urllib.parse import quote

import anyio
import httpx
import pytest
from hostile import ENDED, LIMIT, ODD, SLOW, Hostile, cases
from proc import memory
from prometheus_client.parser import text_string_to_metric_families
from tracking import Installation

pytestmark = pytest.mark.slow

PAGES = ("/", "/events", "/receivers", "/accounts", "/readyz")
API = ("/api/jobs", "/api/events", "/api/accounts", "/api/receivers", "/api/deliveries")
COMMANDS = (["jobs"], ["events"], ["verify"], ["job", "far away"], ["job", "of other types"], ["job", "down"])


RECEIVER = """
[[receivers]]
name = "matching"
kind = "webhook"
url = "{url}/hook"
events = ["*"]
match = {{ model = "?*", endpoint = "*", metadata = {{ "*" = "*" }} }}
[[receivers]]
name = "chatting"
kind = "slack"
url = "{url}/slack"
events = ["*"]
group_wait = "0s"
"""


def installed(folder: Path, url: str, accounts, *, poll_interval: str) -> Installation:
    installation = Installation(folder, url)
    head, _, account = installation.config.read_text().partition("[[accounts]]")
    account = account.replace('"200ms"', f'"{poll_interval}"')
    for each in accounts:
        table = account.replace('"default"', f'"{each}"').replace(url, f"{url}/{each}")
        head += "[[accounts]]" + (table if each in SLOW else table.replace('"1s"', '"60s"'))
    installation.config.write_text(head + RECEIVER.format(url=url))
    return installation


async def test_whatever_the_api_answers(tmp_path):
    """Each absurd answer is reported with its reason, costs no other account anything, and bounded memory; then all goes on."""
    hostile = cases()
    accounts = [*hostile, "odd"]
    async with anyio.create_task_group() as group:
        api = Hostile(hostile)
        await group.start(api.run)
        installation = installed(tmp_path, api.url, accounts, poll_interval="200ms")
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url, timeout=30) as client:
            before = memory(daemon.process.pid, "VmRSS")
            for account, case in hostile.items():
                await daemon.says_that(partial(is_logged, account, case.logged), f"{case.logged!r} of {account}")
            assert (await client.get("/healthz")).status_code == 200
            assert memory(daemon.process.pid, "VmHWM") - before < 16 * LIMIT, "four of them send more than the limit at once"
            api.calm = True
            installed(tmp_path, api.url, accounts, poll_interval="300ms")  # they look again at once
            daemon.process.send_signal(signal.SIGHUP)
            wanted = {f"job of {each}" for each in accounts}
            await installation.wait_for_events(lambda events: wanted <= ids_of(events) and ODD.keys() <= ended(events))
            jobs = [f"{path}/{quote(id_, safe='')}?account=odd" for id_ in ODD for path in ("/jobs", "/api/jobs")]
            for path in (*PAGES, *API, *jobs):
                assert (await client.get(path)).status_code == 200, path
            assert len(list(text_string_to_metric_families((await client.get("/metrics")).text))) > 50
            for command in COMMANDS:
                assert (await installation.command(*command)).returncode == 0, command
            assert await daemon.stop(signal.SIGTERM) == 0
        assert [line for line in daemon.lines if "exception" in line or len(str(line)) > 2000] == []
        group.cancel_scope.cancel()
    await check_odd_jobs(installation)


def is_logged(account: str, logged: str, line: dict) -> bool:
    """Whether the line says that of what went wrong with the account."""
    said = {"sweep.failed": "detail", "job.malformed": "reason"}.get(line["event"])
    return said is not None and line["account"] == account and logged in line[said]


def ids_of(events) -> set[str]:
    return {event["data"].get("id") for event in events}


def ended(events) -> set[str]:
    return {event["data"].get("id") for event in events if event["type"] == "batch.completed"}


async def check_odd_jobs(installation) -> None:
    """They are in the log as they were, as far as JSON, SQLite and a float agree on what that is."""
    events = await installation.wait_for_events(lambda _: True)
    jobs = {event["data"]["id"]: event["data"] for event in events if event["account"] == "odd"}
    assert jobs.keys() == {*ODD, "job of odd"}
    assert jobs["nul \0 in it"]["metadata"] == {"\0": "\0"}
    assert jobs["half \\ud800 a pair"]["metadata"] == {"\ufffd": ["\ufffd"]}
    assert jobs["many digits"]["metadata"] == {"n": None, "m": None}
    assert jobs["far away"]["created_at"] == 253_402_300_799
    assert {each["completed_at"] for id_, each in jobs.items() if id_ in ODD} == {ENDED["completed_at"]}, "as it came"
