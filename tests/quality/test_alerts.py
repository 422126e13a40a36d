"""The alerts: right by Prometheus's own tools, each shown firing and silent, each with something to do about it."""

import re
import shlex
import subprocess
from collections import defaultdict
from pathlib import Path

import click
import pytest
import yaml
from matrix import matrix
from programs import program

from tracker.cli import COMMANDS, group

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = yaml.safe_load((FOLDER / "batch-tracker.rules.yml").read_text("utf-8"))
ALERTS = {rule["alert"]: rule for each in RULES["groups"] for rule in each["rules"] if "alert" in rule}
RUNBOOK = (FOLDER / "RUNBOOK.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))

WANTED = {
    "daemon down": ["BatchTrackerDown"],
    "sweep stale": ["BatchTrackerSweepStale"],
    "API unauthorised or not enabled": ["BatchTrackerApiUnauthorised", "BatchTrackerApiNotEnabled"],
    "rate limited": ["BatchTrackerApiRateLimited"],
    "job failed": ["BatchTrackerJobFailed"],
    "job expired": ["BatchTrackerJobExpired"],
    "all requests failed": ["BatchTrackerAllRequestsFailed"],
    "many requests of a job fail": ["BatchTrackerJobAtRisk"],
    "job stalled": ["BatchTrackerJobStalled"],
    "queued too long": ["BatchTrackerQueuedTooLong"],
    "deadline near": ["BatchTrackerDeadlineNear"],
    "cancel stuck": ["BatchTrackerCancelStuck"],
    "pending requests near the limit": ["BatchTrackerPendingRequestsNearLimit"],
    "results gone": ["BatchTrackerResultsGone"],
    "archive backlog": ["BatchTrackerArchiveBacklog"],
    "delivery backlog": ["BatchTrackerDeliveryBacklog"],
    "receiver failing or disabled": ["BatchTrackerReceiverFailing", "BatchTrackerReceiverDisabled"],
    "dead deliveries": ["BatchTrackerDeliveriesDead"],
    "storage not writable": ["BatchTrackerStorageNotWritable"],
    "webhooks of vendors are refused": ["BatchTrackerHintsRefused"],
    "unrecognized status": ["BatchTrackerStatusUnrecognized"],
    "reload failed": ["BatchTrackerReloadFailed"],
    "restart loop": ["BatchTrackerRestartLoop"],
    "an account or receiver without a replica": ["BatchTrackerLeaseUnheld"],
    "leases flap": ["BatchTrackerLeasesFlap"],
    "a replica lost or missing": ["BatchTrackerReplicaLost", "BatchTrackerReplicasMissing"],
}
"""What an operator has to know, and the alerts for it."""

CHECKS = {
    "rules": ("promtool", "check", "rules", "batch-tracker.rules.yml"),
    "prometheus": ("promtool", "check", "config", "prometheus.yml"),
    "alertmanager": ("amtool", "check-config", "alertmanager.yml"),
    "rules do": ("promtool", "test", "rules", "batch-tracker.rules.test.yml"),
}
PACKAGES = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}


@pytest.mark.parametrize("command", matrix(map(list, CHECKS.values()), default=3), ids=CHECKS)
def test_prometheus_tools_accept_what_is_shipped(command):
    """The rules, what they do, and both configurations are right by the tools of Prometheus and Alertmanager."""
    name, *arguments = command
    tool = program(name, PACKAGES[name])
    done = subprocess.run([tool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_shown_firing_and_silent():
    """For each alert there is a moment at which the tests expect it, and one at which they expect nothing."""
    expected = defaultdict(set)
    for test in yaml.safe_load((FOLDER / "batch-tracker.rules.test.yml").read_text("utf-8"))["tests"]:
        for moment in test["alert_rule_test"]:
            expected[moment["alertname"]].add(bool(moment["exp_alerts"]))
    assert expected == {name: {True, False} for name in ALERTS}


@pytest.mark.parametrize("names", WANTED.values(), ids=WANTED)
def test_every_problem_has_an_alert(names):
    """Each thing that an operator has to know has its alerts."""
    assert set(names) <= ALERTS.keys()


@pytest.mark.parametrize("name", ALERTS)
def test_alert_says_how_bad_it_is_and_what_to_do(name):
    """Its severity and component are of closed sets, it is summed up and described, and leads to its runbook section."""
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["labels"]["component"] in ("daemon", "api", "jobs", "deliveries", "storage")
    assert rule["annotations"]["runbook_url"] == f"deploy/prometheus/RUNBOOK.md#{name.lower()}"
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert f"| [{name}](#{name.lower()}) | {rule['labels']['severity']} | " in RUNBOOK
    kept = [part for part in ("**Means**", "**Look at**", "**Do**", "**Ends**") if part in SECTIONS[name]]
    assert kept == ["**Means**", "**Look at**", "**Do**", "**Ends**"]


def test_runbook_has_no_other_section():
    """What the runbook explains is alerted on."""
    assert SECTIONS.keys() == ALERTS.keys()


def commands_of_ours():
    """Every `batch-tracker …` of the runbook, with its arguments."""
    written = re.findall(r"`(batch-tracker [^`]+)`|^ {4}(batch-tracker [^|\n]+)", RUNBOOK, re.MULTILINE)
    return sorted({(inline or block).strip() for inline, block in written})


@pytest.mark.parametrize("command", commands_of_ours())
def test_commands_of_the_runbook_exist(command):
    """Our own command lines in the runbook are understood by our own parser: command, options and number of arguments."""
    _, name, *arguments = shlex.split(command)
    assert name in COMMANDS
    with click.Context(group) as context:
        found = group.get_command(context, name)
        found.make_context(name, arguments, parent=context)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"severity": "critical", "component": "api"}, "pager"),
        ({"severity": "critical", "component": "storage"}, "pager"),
        ({"severity": "warning", "component": "deliveries"}, "tickets"),
        ({"severity": "warning", "component": "jobs"}, "submitters"),
    ],
)
def test_alertmanager_routes_to_the_team_that_it_concerns(labels, receiver):
    """By the example a critical alert pages an operator, a job's alert goes to its team, and the rest makes tickets."""
    command = [program("amtool", PACKAGES["amtool"]), "config", "routes", "test", "--config.file=alertmanager.yml"]
    command += [f"{label}={value}" for label, value in labels.items()]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [receiver]


def test_alertmanager_inhibits_alerts_that_there_are():
    """Every alert that the example's inhibitions name exists, so that a new name does not silently end one."""
    rules = yaml.safe_load((FOLDER / "alertmanager.yml").read_text("utf-8"))["inhibit_rules"]
    matchers = [each for rule in rules for each in rule["source_matchers"] + rule["target_matchers"]]
    patterns = [re.fullmatch(r'alertname (?:=|=~|!=) "(.+)"', matcher)[1].split("|") for matcher in matchers]
    assert [each for pattern in patterns for each in pattern if not any(re.fullmatch(each, name) for name in ALERTS)] == []
