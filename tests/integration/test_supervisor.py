"""What another configuration changes of who is at work, on a real store: no more than it has to."""

from contextlib import asynccontextmanager
from operator import attrgetter

import anyio
import pytest
from loopback import unreachable_url
from msgspec.structs import replace
from waiting import until

from tracker.config import Account, Config, Http, Listen, Match, Secret, Storage
from tracker.config.secrets.secret import Header
from tracker.core.deliveries.circuit import Circuit
from tracker.core.health.readiness import Health
from tracker.daemon.supervisor import Supervisor
from tracker.daemon.watchdog import HANG_AFTER
from tracker.daemon.workers.dependencies import Dependencies
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.http.proxies import Proxies
from tracker.http.tls import Tls
from tracker.metrics import Metrics
from tracker.runtime.liveness import Liveness
from tracker.store.opening import open_store


@asynccontextmanager
async def at_work(path):
    """A supervisor with two accounts and two receivers, all unreachable, and its configuration."""
    with unreachable_url() as url:
        accounts = tuple(
            Account(name=name, api_key=Secret(name), base_url=url, poll_interval=3600.0) for name in ("one", "two")
        )
        receivers = tuple(WebhookReceiver(name=name, url=Secret(url)) for name in ("hook", "other"))
        config = Config(source=None, storage=Storage(path / "tracker.db"), http=Http(), accounts=accounts, receivers=receivers)
        async with open_store(config.storage.path) as store, anyio.create_task_group() as group:
            supervisor = Supervisor(group, Dependencies(store, Health(), Metrics(), Liveness(HANG_AFTER)), config)
            await anyio.wait_all_tasks_blocked()
            yield supervisor, config
            group.cancel_scope.cancel()


def workers(supervisor):
    """Who works, by name; the last of each name."""
    names = ("one", "two"), ("hook", "other")
    registries = supervisor._watchers, supervisor._deliverers
    return {name: registry.workers(name)[-1] for registry, of in zip(registries, names, strict=True) for name in of}


@pytest.mark.parametrize(
    ("changes", "replaced"),
    [
        ({}, set()),
        ({"account": {"stalled_after": 60.0, "timeout_hours": 1.0, "unreachable_after": 9.0}}, set()),
        ({"account": {"stalled_after": 59.0}}, {"two"}),  # progress is logged as often
        ({"account": {"progress_every": 60.0}}, set()),  # as the storage says
        ({"account": {"progress_every": 0.0}}, {"two"}),
        ({"config": {"storage": Storage("tracker.db", progress_every=5.0)}}, {"one", "two"}),
        ({"account": {"poll_interval": 60.0}}, {"two"}),
        ({"account": {"failed_share": 0.1}}, {"two"}),
        ({"account": {"api_key": Secret("rotated")}}, {"two"}),
        ({"account": {"headers": (Header("x-key", Secret("rotated"), secret=True),)}}, {"two"}),
        ({"account": {"tls": Tls()}}, {"two"}),
        ({"account": {"provider": "openai"}}, {"two"}),
        ({"account": {"webhook_secrets": (Secret("whsec_QUJD"),)}}, set()),
        ({"receiver": {"headers": (Header("x-key", Secret("rotated"), secret=True),)}}, {"other"}),
        ({"receiver": {"tls": Tls()}}, {"other"}),
        ({"receiver": {"events": ("batch.*",), "match": Match(model="small"), "group_wait": 5.0, "remind_every": 60.0}}, set()),
        ({"receiver": {"rate_limit": 2.0}}, {"other"}),
        ({"receiver": {"url": Secret("http://127.0.0.1:2")}}, {"other"}),
        ({"receiver": {"secrets": (Secret("whsec_QUJD"),)}}, {"other"}),
        ({"receiver": {"hold": 1.0, "retry": (1.0,)}}, {"other"}),
        ({"config": {"proxies": Proxies()}}, {"one", "two", "hook", "other"}),
        ({"config": {"storage": Storage("elsewhere.db", 1.0), "http": Http(listen=(Listen(port=1),))}}, set()),
    ],
)
async def test_no_more_is_replaced_than_has_to_be(tmp_path, changes, replaced):
    """Limits and filters change beside running workers; a worker that depends on a difference is replaced, no other."""
    async with at_work(tmp_path) as (supervisor, config):
        before = workers(supervisor)
        (one, two), (hook, other) = config.accounts, config.receivers
        accounts = one, replace(two, **changes.get("account", {}))
        receivers = hook, replace(other, **changes.get("receiver", {}))
        supervisor.apply(replace(config, accounts=accounts, receivers=receivers, **changes.get("config", {})))
        assert {name for name, worker in workers(supervisor).items() if worker is not before[name]} == replaced


async def test_deliverer_that_starts_during_a_command_knows_what_the_command_did(tmp_path):
    """A deliverer that takes over while a disabled receiver is being enabled reads the circuit once that is done."""
    async with at_work(tmp_path) as (supervisor, config):
        outbox, (_, other) = supervisor.dependencies.store.outbox, config.receivers
        await outbox.settle("other", [], Circuit(failures=9, since=1, disabled=True))
        async with supervisor.paused("other"):
            supervisor.apply(replace(config, receivers=(config.receivers[0], replace(other, hold=1.0))))
            await anyio.wait_all_tasks_blocked()
            assert await supervisor.dependencies.store.enable_receiver("other", 1)
        circuit = await until(lambda: workers(supervisor)["other"].deliverer._settling.circuit)  # a thread reads it
        assert not circuit.disabled


async def test_budget_and_pause_of_a_key_outlast_its_watcher(tmp_path):
    """Another interval or rate goes on with the pace that there was; another key, or another API, begins with its own."""
    rate_limiter = attrgetter("_rate_limiter")
    async with at_work(tmp_path) as (supervisor, config):
        one, two = config.accounts
        first = rate_limiter(workers(supervisor)["two"])
        for account, same in (
            (replace(two, poll_interval=60.0, requests_per_second=5.0), True),
            (replace(two, api_key=Secret("rotated")), False),
            (replace(two, base_url="http://127.0.0.1:2"), False),
            (replace(two, api_key=Secret(""), headers=(Header("api-key", Secret("one"), secret=True),)), False),
        ):
            supervisor.apply(replace(config, accounts=(one, account)))
            assert (rate_limiter(workers(supervisor)["two"]) is first) == same


async def test_budget_of_a_key_in_a_header(tmp_path):
    """Where a header holds the key, another value of it is another key; beside `api_key` a header changes no budget."""
    rate_limiter = attrgetter("_rate_limiter")
    async with at_work(tmp_path) as (supervisor, config):
        one, two = config.accounts
        for key, same in ((Secret(""), False), (Secret("key"), True)):
            found = []
            for value in ("first", "second"):
                account = replace(two, api_key=key, headers=(Header("api-key", Secret(value), secret=True),))
                supervisor.apply(replace(config, accounts=(one, account)))
                found.append(rate_limiter(workers(supervisor)["two"]))
            assert (found[0] is found[1]) == same


async def test_health_and_metrics_follow(tmp_path):
    """A new account is there from the start, not swept yet; of one that is removed nothing is shown any more."""
    async with at_work(tmp_path) as (supervisor, config):
        one, _ = config.accounts
        supervisor.apply(replace(config, accounts=(one, replace(one, name="three")), receivers=config.receivers[:1]))
        assert list(supervisor.dependencies.health.accounts) == ["one", "three"]
        page = supervisor.dependencies.metrics.render().decode()
        assert 'account="three"' in page
        assert 'account="two"' not in page
        assert 'receiver="hook"' in page
        assert 'receiver="other"' not in page


async def test_reload_changes_who_is_reminded(tmp_path):
    """The maintenance reminds by the configuration in force, and rate limits reach the deliverer."""
    async with at_work(tmp_path) as (supervisor, config):
        hook, other = config.receivers
        supervisor.apply(replace(config, receivers=(hook, replace(other, remind_every=90.0, rate_limit=0.5, retry=(7.0,)))))
        reminders = supervisor._maintenance._reminders
        assert [(each.receiver, each.remind_every) for each in reminders.subscriptions] == [("other", 90.0)]
        assert reminders.retry == {"hook": hook.retry, "other": (7.0,)}
        deliverer = await until(lambda: workers(supervisor)["other"].deliverer)  # its predecessor ends first
        assert deliverer._rate_limit.turns_due(16) == 1
        supervisor.apply(config)
        assert supervisor._maintenance._reminders.subscriptions == ()
