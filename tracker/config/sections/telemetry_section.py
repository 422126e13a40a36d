"""Owns reading [telemetry]: whether traces are exported, and where to. What the file leaves out is by the environment."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

import msgspec

from tracker.config import certificates, urls
from tracker.config.sections.headers import read_headers
from tracker.config.sections.telemetry_environment import asks_for_traces, is_disabled, read_environment
from tracker.config.telemetry import Telemetry, traces_path
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import Table

_EXTRA: Final = (
    "found true, or otlp in $OTEL_TRACES_EXPORTER, which needs the extra opentelemetry: "
    "pip install 'batch-tracker[opentelemetry]', or set it to false"
)


def read_telemetry(values: Any, errors: list[str], environ: Mapping[str, str]) -> Telemetry:
    """The table [telemetry]; mistakes go to `errors`. Variables of OpenTelemetry count where traces are exported."""
    found = Table(values, "telemetry", errors, ("traces", "endpoint", "headers", *certificates.KEYS))
    wanted = found.get("traces", toml_table.boolean, asks_for_traces(environ))
    traces = wanted and not is_disabled(environ)
    if traces and not (find_spec("opentelemetry") and find_spec("opentelemetry.proto")):
        found.add_mistake("traces", _EXTRA)
    default = read_environment(environ, errors) if traces else Telemetry()
    return msgspec.structs.replace(
        default,
        traces=traces,
        endpoint=found.get("endpoint", lambda each: traces_path(urls.base_url(each)), default.endpoint),
        headers=found.get("headers", lambda each: read_headers(each, "telemetry.headers", errors, environ), default.headers),
        tls=certificates.read_tls(found, environ, errors) or default.tls,
    )
