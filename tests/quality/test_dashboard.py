"""The dashboard: what its generator makes, importable, every panel explained, none over another."""

import json
import re
import runpy
from itertools import combinations
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
TEXT = (FOLDER / "batch-tracker.json").read_text("utf-8")
DASHBOARD = json.loads(TEXT)
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ROWS = ["running", "throughput", "failures", "queue and run times", "results", "api", "deliveries", "storage", "replicas"]


def test_dashboard_is_what_its_generator_makes():
    """The JSON is what the generator makes of panels.toml; a change by hand fails and names panels.toml."""
    assert runpy.run_path(str(FOLDER / "generate.py"))["rendered"]() == TEXT


def test_dashboard_can_be_imported():
    """It has no id of some Grafana's own but a uid, a recent schema, and asks which Prometheus; IDs of panels are unique."""
    assert "id" not in DASHBOARD
    assert DASHBOARD["uid"] == "batch-tracker"
    assert DASHBOARD["schemaVersion"] >= 36
    variables = {each["name"]: each["type"] for each in DASHBOARD["templating"]["list"]}
    assert variables["datasource"] == "datasource"
    assert [variables[name] for name in ("instance", "provider", "account", "receiver")] == ["query"] * 4
    (accounts,) = (each for each in DASHBOARD["templating"]["list"] if each["name"] == "account")
    assert 'provider=~"$provider"' in accounts["definition"]
    assert accounts["allValue"] is None, "all accounts would be those of all vendors"
    used = set(re.findall(r"\$\{?(\w+)", TEXT)) - {"__all", "__rate_interval", "__range"}
    assert used == variables.keys()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_dashboard_shows_what_it_has_to():
    """There is a row for each topic, in this order, with panels below."""
    titles = [panel["title"].lower() for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    found = [next((place for place, title in enumerate(titles) if word in title), None) for word in ROWS]
    assert None not in found
    assert found == sorted(found)
    types = [panel["type"] for panel in DASHBOARD["panels"]]
    assert ("row", "row") not in zip(types, [*types[1:], "row"], strict=True)


def test_panels_do_not_overlap():
    """Each panel is within the 24 columns and shares no cell with another."""
    areas = [(panel["title"], panel["gridPos"]) for panel in DASHBOARD["panels"]]
    assert [title for title, at in areas if at["x"] < 0 or at["x"] + at["w"] > 24 or at["w"] < 1 or at["h"] < 1] == []
    assert [(one, other) for (one, a), (other, b) in combinations(areas, 2) if overlap(a, b)] == []


def overlap(a, b):
    across = a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
    return across and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel['id']} {panel['title']}")
def test_panel_says_what_it_shows(panel):
    """It is explained, has a unit, limits, the chosen Prometheus, and names its series where it may have several."""
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
    assert {each["datasource"]["uid"] for each in (panel, *panel["targets"])} == {"${datasource}"}
    assert [each["refId"] for each in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])
    if panel["type"] in ("timeseries", "bargauge", "state-timeline"):
        assert all(each["legendFormat"] for each in panel["targets"])


def test_durations_show_the_traces_behind_them():
    """Each panel of a histogram asks for exemplars in one of its queries, and no other panel does."""
    for panel in PANELS:
        asks = [target for target in panel["targets"] if target.get("exemplar")]
        of_histogram = panel["type"] == "timeseries" and "histogram_quantile" in panel["targets"][-1]["expr"]
        assert asks == ([panel["targets"][-1]] if of_histogram else []), panel["title"]


def test_queries_heed_the_chosen_accounts_and_receivers():
    """Each metric is selected by the chosen instances, and by account or receiver where it has one."""
    for panel in PANELS:
        for target in panel["targets"]:
            selectors = re.findall(r"\b(?:batchtracker|process)_\w+|\bup\b", target["expr"])
            assert target["expr"].count('instance=~"$instance"') == len(selectors), target["expr"]
