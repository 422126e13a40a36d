"""The real Prometheus and Alertmanager around a busy daemon: the shipped rules fire, the dashboard has data everywhere."""

import json
import math
import re

import anyio
import pytest
import yaml
from busy_daemon import RECEIVERS, SHIPPED, watched

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prometheus"), pytest.mark.timeout(180)]

DASHBOARD = json.loads((SHIPPED.parent / "grafana" / "batch-tracker.json").read_text("utf-8"))
EXPRESSIONS = {(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])}
ZERO_IS_WELL = {"Errors", "Jobs without series", "Other job events", "Webhooks of vendors"}
"""The panels that show 0 where nothing is wrong; in all others something has to be above it."""

OF_SEGMENTS = "batchtracker_segments_size_bytes"
"""What is 0 until events are old enough to be moved, an hour at least."""

OF_REPLICAS = re.compile(r'batchtracker_(?:replicas|replica_leases|lease_changes_total|leases_unheld)\b|.*postgresql!=""')
"""What a daemon exports only where it is one of several replicas, on PostgreSQL."""


@pytest.fixture(scope="module")
async def everything(anyio_backend, tmp_path_factory):  # noqa: ARG001 - an asynchronous fixture of a module needs it
    async with watched(tmp_path_factory.mktemp("watched")) as everything:
        yield everything


def rule_expressions():
    groups = yaml.safe_load((SHIPPED / "batch-tracker.rules.yml").read_text("utf-8"))["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


async def wait_until(missing, seconds=60):
    """Ask until nothing is missing any more; what still is then, is what is wrong."""
    left = await missing()
    with anyio.move_on_after(seconds):
        while left:
            await anyio.sleep(0.5)
            left = await missing()
    assert left == []


async def test_each_alert_reaches_its_receivers(everything):
    """A job that fails, a key that is refused and a receiver that is gone come from the API to Alertmanager's receivers."""
    failed = await everything.posted.wait_for("/submitters", "BatchTrackerJobFailed")
    assert failed["labels"].items() >= {"account": "default", "component": "jobs", "severity": "warning"}.items()
    assert failed["annotations"]["summary"] == "A job of account default failed"
    assert failed["annotations"]["runbook_url"] == "deploy/prometheus/RUNBOOK.md#batchtrackerjobfailed"
    gone = await everything.posted.wait_for("/tickets", "BatchTrackerReceiverDisabled")
    assert gone["labels"]["receiver"] == "gone"
    assert {alert["labels"]["component"] for alert in everything.posted.alerts("/tickets")}.isdisjoint({"jobs"})


async def test_daemon_serves_every_metric_of_the_rules(everything):
    """Each metric that a rule asks for is on the real daemon's page."""
    page = await everything.page()
    served = set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE))
    asked = {name for expr in rule_expressions() for name in re.findall(r"(?<![:\w])(?:batchtracker|process)_\w+", expr)}
    assert len(asked) > 15
    assert {name for name in asked - served if not OF_REPLICAS.match(name)} == set()


ONLY_IN_TROUBLE = ("batchtracker_orphaned_deliveries{",)
"""What has no series while all is as it is configured."""


async def test_every_selector_of_the_rules_finds_series(everything):
    """Each metric with the labels that a rule asks for has series in Prometheus, so no label or value of it is misspelled."""
    selectors = sorted(
        {
            each
            for expr in rule_expressions()
            for each in re.findall(r"[\w:]+\{[^}]+\}", expr)
            if ":" not in each and not each.startswith(ONLY_IN_TROUBLE) and not OF_REPLICAS.match(each)
        }
    )

    async def missing():
        return [each for each in selectors if not await everything.query(each)]

    assert len(selectors) > 8
    await wait_until(missing)


async def test_every_query_of_the_dashboard_returns_data(everything):
    """Every expression of every panel gives numbers, and but for a few more than 0, of what the busy daemon did."""
    left = sorted((title, expr) for title, expr in EXPRESSIONS if not OF_REPLICAS.search(expr))

    async def missing():
        nonlocal left
        left = [(title, expr) for title, expr in left if not shows(title, expr, await everything.query(substituted(expr)))]
        return left

    assert len(left) > 60
    await wait_until(missing)


def shows(title, expr, series):
    may_be_zero = title in ZERO_IS_WELL or OF_SEGMENTS in expr
    values = [value for each in series if math.isfinite(value := float(each["value"][1]))]
    return bool(values) and (may_be_zero or max(values) > 0)


def substituted(expr):
    """The expression as Grafana sends it where All is chosen: four scrapes for a rate at least, and here a few more."""
    for variable, value in {
        "$__rate_interval": "5s",
        "$__range": "6h",
        "$instance": ".*",
        "$account": ".*",
        "$provider": ".*",
        "$receiver": ".*",
    }.items():
        expr = expr.replace(variable, value)
    assert "$" not in expr
    return expr


async def test_every_variable_of_the_dashboard_has_values(everything):
    """What one can choose is what there is: the daemon, both accounts, all receivers."""
    found = {}
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
            found[variable["name"]] = {
                each["metric"][label] for each in await everything.query(f"group by ({label}) ({substituted(metric)})")
            }
    assert found.pop("instance")
    assert found == {"account": {"default", "locked"}, "receiver": set(RECEIVERS), "provider": {"mistral"}}


async def test_start_is_marked_on_the_dashboard(everything):
    """The annotation counts starts: without its condition it gives 0, since there was no other one."""
    (annotation,) = DASHBOARD["annotations"]["list"]
    counted = substituted(annotation["expr"]).removesuffix(" > 0")
    assert [each["value"][1] for each in await everything.query(counted)] == ["0"]


async def test_exemplars_are_scraped(everything):
    """Prometheus asks for OpenMetrics and keeps the traces of deliveries and of jobs, each with the labels of its series."""
    found = {}

    async def missing():
        for metric in ("batchtracker_delivery_duration_seconds_bucket", "batchtracker_ended_jobs_total"):
            found[metric] = await everything.exemplars(metric)
        return [metric for metric, series in found.items() if not series]

    await wait_until(missing)
    deliveries, jobs = found.values()
    labels = [each["labels"] for series in (*deliveries, *jobs) for each in series["exemplars"]]
    assert all(re.fullmatch("[0-9a-f]{32}", each["trace_id"]) for each in labels)
    assert all(re.fullmatch("[0-9a-f]{16}", each["labels"]["span_id"]) for one in deliveries for each in one["exemplars"])
    assert {each["seriesLabels"]["receiver"] for each in deliveries} <= set(RECEIVERS)
