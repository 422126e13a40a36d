"""What another configuration changes of who is at work, on a real store: no more than it has to."""

from contextlib import asynccontextmanager
from operator import attrgetter

import anyio
import pytest
from loopback import nobody
from msgspec.structs import replace

from tracker.config import Account, Config, Http, Listen, Match, Secret, Storage
from tracker.config.model import Header
from tracker.core.deliveries.circuit import Circuit
from tracker.core.reconciliation.account_health import Health
from tracker.daemon.supervisor import Crew
from tracker.daemon.workers import Means
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.http.proxies import Proxies
from tracker.http.tls import Tls
from tracker.metrics import Metrics
from tracker.runtime.liveness import Progress
from tracker.store.opening import open_store


@asynccontextmanager
async def at_work(path):
    """A crew with two accounts and two receivers, to none of which anybody answers, and its configuration."""
    with nobody() as url:
        accounts = tuple(
            Account(name=name, api_key=Secret(name), base_url=url, poll_interval=3600.0) for name in ("one", "two")
        )
        receivers = tuple(WebhookReceiver(name=name, url=Secret(url)) for name in ("hook", "other"))
        config = Config(source=None, storage=Storage(path / "tracker.db"), http=Http(), accounts=accounts, receivers=receivers)
        async with open_store(config.storage.path) as store, anyio.create_task_group() as group:
            crew = Crew(group, Means(store, Health(), Metrics(), Progress()), config)
            await anyio.wait_all_tasks_blocked()
            yield crew, config
            group.cancel_scope.cancel()


def workers(crew):
    """Who works, by name; the last of each name."""
    names = ("one", "two"), ("hook", "other")
    rosters = crew._watchers, crew._deliverers
    return {name: roster.workers(name)[-1] for roster, of in zip(rosters, names, strict=True) for name in of}


@pytest.mark.parametrize(
    ("changes", "replaced"),
    [
        ({}, set()),
        ({"account": {"stalled_after": 5.0, "timeout_hours": 1.0, "unreachable_after": 9.0}}, set()),
        ({"account": {"poll_interval": 60.0}}, {"two"}),
        ({"account": {"api_key": Secret("rotated")}}, {"two"}),
        ({"account": {"headers": (Header("x-key", Secret("rotated"), secret=True),)}}, {"two"}),
        ({"account": {"tls": Tls()}}, {"two"}),
        ({"receiver": {"headers": (Header("x-key", Secret("rotated"), secret=True),)}}, {"other"}),
        ({"receiver": {"tls": Tls()}}, {"other"}),
        ({"receiver": {"events": ("batch.*",), "match": Match(model="small"), "group_wait": 5.0}}, set()),
        ({"receiver": {"url": Secret("http://127.0.0.1:2")}}, {"other"}),
        ({"receiver": {"secrets": (Secret("whsec_QUJD"),)}}, {"other"}),
        ({"receiver": {"hold": 1.0, "retry": (1.0,)}}, {"other"}),
        ({"config": {"proxies": Proxies()}}, {"one", "two", "hook", "other"}),
        ({"config": {"storage": Storage("elsewhere.db", 1.0), "http": Http(listen=(Listen(port=1),))}}, set()),
    ],
)
async def test_no_more_is_replaced_than_has_to_be(tmp_path, changes, replaced):
    """Limits and filters change beside those who work; whoever depends on what is different is replaced, nobody else."""
    async with at_work(tmp_path) as (crew, config):
        before = workers(crew)
        (one, two), (hook, other) = config.accounts, config.receivers
        accounts = one, replace(two, **changes.get("account", {}))
        receivers = hook, replace(other, **changes.get("receiver", {}))
        crew.apply(replace(config, accounts=accounts, receivers=receivers, **changes.get("config", {})))
        assert {name for name, worker in workers(crew).items() if worker is not before[name]} == replaced


async def test_deliverer_that_starts_during_a_command_knows_what_the_command_did(tmp_path):
    """A deliverer that takes over while a disabled receiver is being enabled reads the circuit once that is done."""
    async with at_work(tmp_path) as (crew, config):
        outbox, (_, other) = crew.means.store.outbox, config.receivers
        await outbox.settle("other", [], Circuit(failures=9, since=1, disabled=True))
        async with crew.stepping_aside("other"):
            crew.apply(replace(config, receivers=(config.receivers[0], replace(other, hold=1.0))))
            await anyio.wait_all_tasks_blocked()
            assert await crew.means.store.enable_receiver("other", 1)
        await anyio.wait_all_tasks_blocked()
        assert not workers(crew)["other"].deliverer._circuit.disabled


async def test_budget_and_pause_of_a_key_outlast_its_watcher(tmp_path):
    """Another interval or rate goes on with the pace that there was; another key, or another API, begins with its own."""
    pace = attrgetter("_pace")
    async with at_work(tmp_path) as (crew, config):
        one, two = config.accounts
        first = pace(workers(crew)["two"])
        for account, same in (
            (replace(two, poll_interval=60.0, requests_per_second=5.0), True),
            (replace(two, api_key=Secret("rotated")), False),
            (replace(two, base_url="http://127.0.0.1:2"), False),
        ):
            crew.apply(replace(config, accounts=(one, account)))
            assert (pace(workers(crew)["two"]) is first) == same


async def test_health_and_metrics_follow(tmp_path):
    """A new account is there from the start, not swept yet; of one that is removed nothing is shown any more."""
    async with at_work(tmp_path) as (crew, config):
        one, _ = config.accounts
        crew.apply(replace(config, accounts=(one, replace(one, name="three")), receivers=config.receivers[:1]))
        assert list(crew.means.health.accounts) == ["one", "three"]
        page = crew.means.metrics.render().decode()
        assert 'account="three"' in page
        assert 'account="two"' not in page
        assert 'receiver="hook"' in page
        assert 'receiver="other"' not in page
