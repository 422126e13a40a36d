"""The Helm chart, rendered by Helm's own code: it says what the manifests say, and refuses values that cannot be meant."""

import json
import re
from copy import deepcopy

import pytest
from kubernetes_objects import FOLDER, chart_values, helm, keys_in, kustomized, one, rendered

MONITORED = {"monitoring": {"enabled": True}}
MIGRATED = {"storage": "postgres", "postgres": {"migrate": {"enabled": True}}}


ADDED = {"helm.sh/chart", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "checksum/config", "imagePullPolicy"}
"""What Helm and this chart add to an object."""


def plain(value):
    """A value without what Helm and Kustomize add: labels, a checksum, the hash at the end of a name, a last line's end."""
    if isinstance(value, dict):
        kept = {key: plain(each) for key, each in value.items() if key not in ADDED}
        return {key: each for key, each in kept.items() if (key, each) != ("annotations", {})}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return (
        re.sub(r"^(batch-tracker(?:-migrate)?)-[0-9a-z]{10}$", r"\1", value).rstrip("\n") if isinstance(value, str) else value
    )


def by_kind(objects):
    return {each["kind"]: plain(each) for each in objects}


@pytest.mark.parametrize("storage", ["sqlite", "postgres"])
def test_chart_says_what_the_manifests_say(storage):
    """With no value but the storage and the monitoring the chart makes just the objects of the kustomization."""
    theirs, ours = rendered({"storage": storage, **MONITORED}), kustomized(storage, components=("monitoring",))
    assert len(theirs) == len(ours) >= 6
    assert by_kind(theirs) == by_kind(ours)


def test_chart_migrates_as_the_manifests_do():
    """The chart's Job before an upgrade is that of the kustomization, but that it reads the whole configuration."""
    theirs, ours = (deepcopy(one(found, "Job")["spec"]) for found in (rendered(MIGRATED), kustomized("migrate")))
    containers = [each["template"]["spec"]["containers"][0] for each in (theirs, ours)]
    secrets = [[each["secretRef"]["name"] for each in container.pop("envFrom")] for container in containers]
    assert secrets == [["batch-tracker", "batch-tracker-owner"], ["batch-tracker-owner"]]
    assert plain(theirs) == plain(ours)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"storage": "mysql"}, "storage"),
        ({"postgres": {"replicas": 0}}, "replicas"),
        ({"postgres": {"replicas": "three"}}, "replicas"),
        ({"secret": "x"}, "secret"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"sqlite": {"accessMode": "ReadWriteMany"}}, "accessMode"),
        ({"sqlite": {"size": "ten"}}, "size"),
        ({"monitoring": {"interval": "soon"}}, "interval"),
    ],
)
def test_chart_refuses_values_that_cannot_be_meant(values, named):
    """Helm refuses a value that is unknown or impossible, and its error names the key."""
    with pytest.raises(helm().HelmValuesError, match=named), helm().Chart.load(FOLDER / "chart") as chart:
        chart.validate_schema(values)


def test_schema_knows_each_value():
    """values.schema.json has the keys of values.yaml and no others, and Helm's own linter has nothing to say but of an icon."""
    schema = json.loads((FOLDER / "chart" / "values.schema.json").read_text("utf-8"))
    assert keys_of(schema) - {("global",)} == keys_in(chart_values())
    found = helm().lint(str(FOLDER / "chart"))
    assert (found["errors"], [each["error"] for each in found["messages"]]) == ([], ["icon is recommended"])


def keys_of(schema, path=()):
    below = schema.get("properties", {}) if schema.get("additionalProperties") is False else {}
    return {path} - {()} | {key for name, each in below.items() for key in keys_of(each, (*path, name))}
