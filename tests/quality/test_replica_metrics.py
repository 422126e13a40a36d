"""What rules and dashboard ask of replicas, held to what a replica exports: a daemon on SQLite has none of it."""

import json
import re
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tracker.core.replicas.lease import MAINTENANCE_LEASE
from tracker.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "deploy"
RULES = yaml.safe_load((FOLDER / "prometheus" / "batch-tracker.rules.yml").read_text("utf-8"))["groups"]
PANELS = json.loads((FOLDER / "grafana" / "batch-tracker.json").read_text("utf-8"))["panels"]
SELECTOR = re.compile(r"(batchtracker_(?:replica|lease)\w*)(?:\{([^}]*)\})?")


def asked(expressions):
    """Each name, and the label values that it is asked with."""
    for name, labels in (found for expr in expressions for found in SELECTOR.findall(expr)):
        yield name, {key: value for key, value in re.findall(r'(\w+)="([^"]*)"', labels) if not value.startswith("$")}


def test_what_is_asked_of_replicas_is_exported():
    """Each series that a rule or a panel selects is exported by the replica that maintains the log, from its start on."""
    metrics = Metrics(is_replica=True)
    metrics.replicas.works_under([MAINTENANCE_LEASE], is_maintainer=True)
    metrics.replicas.seen(2, {})
    families = list(text_string_to_metric_families(metrics.render().decode()))
    series = [(sample.name, sample.labels) for family in families for sample in family.samples]
    rules = list(asked(rule["expr"] for group in RULES for rule in group["rules"]))
    panels = list(asked(target["expr"] for panel in PANELS for target in panel.get("targets", ())))
    assert len(rules) > 4
    assert len(panels) == 4
    for name, labels in rules + panels:
        assert any(name == known and labels.items() <= has.items() for known, has in series), (name, labels)
