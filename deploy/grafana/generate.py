"""Generates the dashboard, Grafana's JSON, from `panels.toml`. `python3 generate.py` writes `batch-tracker.json`."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
COLUMNS: Final = 24
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
SELECTORS: Final = {
    "{ACCOUNT": '{instance=~"$instance", account=~"$account"',
    "{RECEIVER": '{instance=~"$instance", receiver=~"$receiver"',
    "{INSTANCE": '{instance=~"$instance"',
    "{PROCESS": '{job="batch-tracker", instance=~"$instance"',
}
LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
LEGEND: Final = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}


def dashboard(content: dict[str, Any]) -> dict[str, Any]:
    """The dashboard of `content`, the parsed `panels.toml`."""
    return {
        "uid": "batch-tracker",
        "title": "batch-tracker",
        "description": "Vendors' batch jobs as batch-tracker observes them, and the health of batch-tracker itself.",
        "tags": ["batch-tracker"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_restarts()]},
        "links": [_link("Page", "${page}"), _link("Runbook", "${runbook}")],
        "templating": {"list": list(_variables())},
        "panels": list(_panels(content)),
    }


def _restarts() -> dict[str, Any]:
    """A line wherever the daemon has started."""
    return {
        "name": "Starts",
        "enable": True,
        "iconColor": "purple",
        "datasource": SOURCE,
        "expr": _whole("changes(process_start_time_seconds{PROCESS}[$__rate_interval]) > 0"),
        "titleFormat": "batch-tracker has started",
        "textFormat": "{{instance}}",
    }


def _link(title: str, url: str) -> dict[str, Any]:
    return {"title": title, "type": "link", "icon": "external link", "url": url, "targetBlank": True}


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}
    for name, metric in (
        ("instance", "batchtracker_build_info"),
        ("provider", 'batchtracker_account_info{instance=~"$instance"}'),
        ("account", 'batchtracker_account_info{instance=~"$instance", provider=~"$provider"}'),
        ("receiver", 'batchtracker_receiver_failing{instance=~"$instance"}'),
    ):
        query = f"label_values({metric}, {name})"
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": SOURCE,
            "definition": query,
            "query": {"qryType": 1, "query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": None if name == "account" else ".*",  # all accounts of the chosen vendors
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }
    for name, value, what in (
        ("page", "http://127.0.0.1:9471/", "Where batch-tracker's page is."),
        ("runbook", "deploy/prometheus/RUNBOOK.md", "Where you keep the runbook."),
    ):
        current = {"selected": True, "text": value, "value": value}
        about = {"name": name, "description": what, "type": "constant", "query": value, "current": current}
        yield about | {"hide": 2, "skipUrlSync": True}


def _panels(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels of each row from left to right, in lines as high as their highest."""
    number, y = 1, 0
    for row in content["rows"]:
        yield {
            "id": number,
            "type": "row",
            "title": row["title"],
            "collapsed": False,
            "panels": [],
            "gridPos": _at(0, y, 24, 1),
        }
        number, x, y, high = number + 1, 0, y + 1, 0
        for panel in row["panels"]:
            width, height = panel.get("width", 8), panel.get("height", 8)
            if x + width > COLUMNS:
                x, y, high = 0, y + high, 0
            yield {"id": number, **_panel(panel, content["colors"]), "gridPos": _at(x, y, width, height)}
            number, x, high = number + 1, x + width, max(high, height)
        y += high


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: dict[str, Any], colors: dict[str, dict[str, str]]) -> dict[str, Any]:
    kind = panel.get("kind", "timeseries")
    return {
        "type": kind,
        "title": panel["title"],
        "description": panel["description"],
        "datasource": SOURCE,
        "targets": _targets(panel, kind),
        "fieldConfig": {"defaults": _defaults(panel, kind), "overrides": _overrides(panel, kind, colors)},
        "options": _options(panel, kind),
        **({"transformations": _table(panel)} if kind == "table" else {}),
    }


def _targets(panel: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    instant = kind in ("stat", "gauge", "bargauge", "table")
    shape = {"table": "table", "heatmap": "heatmap"}.get(kind, "time_series")
    return [
        {
            "refId": chr(ord("A") + place),
            "datasource": SOURCE,
            "expr": _whole(query["expr"]),
            "legendFormat": "" if kind == "table" else query.get("name", ""),
            "instant": instant,
            "range": not instant,
            "format": shape,
            **({"exemplar": True} if place and "quantiles" in panel else {}),  # the traces; once, as both queries have the same
        }
        for place, query in enumerate(panel.get("queries") or _quantiles(**panel["quantiles"]))
    ]


def _quantiles(of: str, within: str, by: str = "") -> list[dict[str, str]]:
    metric, selector = of.removesuffix("}").split("{")
    labels, name = (f"le, {by}", f" {{{{{by}}}}}") if by else ("le", "")
    rates = f"sum by ({labels}) (rate({metric}_bucket{{{selector}}}[{within}]))"
    return [
        {"name": called + name, "expr": f"histogram_quantile({share}, {rates})"}
        for called, share in (("median", 0.5), ("95 %", 0.95))
    ]


def _whole(expr: str) -> str:
    for short, selector in SELECTORS.items():
        expr = expr.replace(short, selector)
    return expr


def _defaults(panel: dict[str, Any], kind: str) -> dict[str, Any]:
    limits = panel.get("limits", [{"color": "green"}])
    words = {value: {"text": text, "color": color} for value, (text, color) in panel.get("words", {}).items()}
    return {
        "unit": panel.get("unit", "short"),
        "min": 0,
        **({"max": panel["max"]} if "max" in panel else {}),
        "color": {"mode": "palette-classic" if kind in ("timeseries", "bargauge") else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": each["color"], "value": each.get("from")} for each in limits],
        },
        "mappings": [{"type": "value", "options": words}] if words else [],
        "custom": _drawn(panel, kind),
    }


def _drawn(panel: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind == "table":
        return {"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}}
    if kind != "timeseries":
        return {"fillOpacity": 70, "lineWidth": 0} if kind == "state-timeline" else {}
    return {
        "drawStyle": "bars" if panel.get("bars") else "line",
        "fillOpacity": 25 if panel.get("stacked") else 8,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "axisSoftMin": 0,
        "stacking": {"mode": "normal" if panel.get("stacked") else "none", "group": "A"},
    }


def _overrides(panel: dict[str, Any], kind: str, colors: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    if kind == "table":
        bar = {"type": "gauge", "mode": "basic"}
        return [
            _override(
                "progress",
                {"unit": "percentunit", "max": 1, "custom.cellOptions": bar, "color": {"mode": "fixed", "fixedColor": "blue"}},
            ),
            _override("age", {"unit": "s"}),
        ]
    labels = {query.get("name", "").strip("{}") for query in panel.get("queries", [])}
    named = {name: color for label in sorted(labels) for name, color in colors.get(label, {}).items()}
    return [_override(name, {"color": {"mode": "fixed", "fixedColor": color}}) for name, color in named.items()]


def _override(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": id_, "value": value} for id_, value in properties.items()],
    }


def _options(panel: dict[str, Any], kind: str) -> dict[str, Any]:
    options: dict[str, dict[str, Any]] = {
        "timeseries": {"legend": LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
        "stat": {
            "reduceOptions": LAST,
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "center",
            "textMode": "name" if panel.get("shows_name") else "value",
        },
        "gauge": {"reduceOptions": LAST, "showThresholdLabels": False, "showThresholdMarkers": False},
        "bargauge": {"reduceOptions": LAST, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True},
        "heatmap": {
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Blues", "steps": 32},
            "yAxis": {"unit": panel.get("unit", "short")},
            "legend": {"show": False},
            "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        },
        "state-timeline": {
            "legend": LEGEND | {"showLegend": False},
            "mergeValues": True,
            "showValue": "auto",
            "rowHeight": 0.8,
        },
        "table": {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": panel.get("sort", ""), "desc": True}]},
    }
    return options[kind]


def _table(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """One line for each job, its columns in their order and by their names."""
    values = {f"Value #{chr(ord('A') + place)}": query["name"] for place, query in enumerate(panel["queries"])}
    shown = {source: name for source, name in values.items() if name in panel["columns"]}
    source_of = {name: source for source, name in shown.items()}
    order = [source_of.get(name, name) for name in panel["columns"]]
    return [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True} | {source: True for source in values if source not in shown},
                "indexByName": {name: place for place, name in enumerate(order)},
                "renameByName": shown | {"exported_job": "job"},
            },
        },
    ]


def written(value: Any, indent: int = 0, width: int = 128) -> str:
    """`value` as JSON: on one line where it is short enough, else an item a line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= width or not isinstance(value, dict | list):
        return line
    deeper = " " * (indent + 2)
    if isinstance(value, list):
        items = [deeper + written(each, indent + 2) for each in value]
        return "[\n" + ",\n".join(items) + "\n" + " " * indent + "]"
    items = [f"{deeper}{json.dumps(key)}: {written(each, indent + 2, width - len(key) - 4)}" for key, each in value.items()]
    return "{\n" + ",\n".join(items) + "\n" + " " * indent + "}"


def rendered() -> str:
    """The dashboard as JSON, as it stands in the repository."""
    return written(dashboard(tomllib.loads((HERE / "panels.toml").read_text("utf-8")))) + "\n"


if __name__ == "__main__":
    (HERE / "batch-tracker.json").write_text(rendered(), "utf-8")
