"""Owns the environment variables of OpenTelemetry that say how traces are exported.

Those that only other exporters or signals have are ignored; one that has an invalid value is a mistake, which names it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import msgspec

from tracker.config import certificates, urls
from tracker.config.secrets.secret import Header
from tracker.config.sections.headers import read_headers
from tracker.config.telemetry import Telemetry, traces_path
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue, Table
from tracker.http.tls import Tls

T = TypeVar("T")

_OTLP: Final = "OTEL_EXPORTER_OTLP_"
_SAMPLERS: Final = ("always_on", "always_off", "traceidratio")
"""Each also as `parentbased_…`, which is the same: no trace of ours begins elsewhere."""

_TLS: Final = {
    "telemetry.ca_file": "CERTIFICATE",
    "telemetry.client_certificate.cert": "CLIENT_CERTIFICATE",
    "telemetry.client_certificate.key": "CLIENT_KEY",
    "telemetry.client_certificate": "CLIENT_CERTIFICATE",
}
"""The keys of TLS in mistakes, and the variables that have their values."""


def asks_for_traces(environ: Mapping[str, str]) -> bool:
    """Whether the environment itself asks for traces by OTLP: an endpoint alone does not."""
    return environ.get("OTEL_TRACES_EXPORTER", "").strip() == "otlp"


def is_disabled(environ: Mapping[str, str]) -> bool:
    """Whether the environment switches all telemetry off."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def read_environment(environ: Mapping[str, str], errors: list[str]) -> Telemetry:
    """How traces are exported where the file says nothing; mistakes go to `errors`."""
    found, usual = _Variables(environ, errors), Telemetry()
    found.otlp("PROTOCOL", toml_table.choice("http/protobuf"), "")
    base = found.get(f"{_OTLP}ENDPOINT", lambda each: traces_path(urls.base_url(each)), usual.endpoint)
    return msgspec.structs.replace(
        usual,
        endpoint=found.get(f"{_OTLP}TRACES_ENDPOINT", urls.base_url, base),
        headers=_headers(found),
        tls=_tls(found),
        timeout=found.otlp("TIMEOUT", _whole(1, 60_000), 10_000) / 1000,
        compress=found.otlp("COMPRESSION", toml_table.choice("gzip", "none"), "none") == "gzip",
        sampled_share=_sampled_share(found),
        queue_size=found.get("OTEL_BSP_MAX_QUEUE_SIZE", _whole(1, 100_000), usual.queue_size),
        batch_size=found.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", _whole(1, 10_000), usual.batch_size),
        delay=found.get("OTEL_BSP_SCHEDULE_DELAY", _whole(10, 600_000), 5000) / 1000,
        resource=_resource(found, usual),
    )


class _Variables:
    """The variables, of which those that are empty are not set."""

    def __init__(self, environ: Mapping[str, str], errors: list[str]) -> None:
        self.environ = environ
        self.errors = errors

    def text(self, name: str) -> str:
        return self.environ.get(name, "").strip()

    def get(self, name: str, read: Callable[[Any], T], default: T) -> T:
        if not self.text(name):
            return default
        try:
            return read(self.text(name))
        except InvalidValue as wrong:
            self.errors.append(f"${name}: {wrong}")
            return default

    def otlp(self, name: str, read: Callable[[Any], T], default: T) -> T:
        """A variable of the exporter; that of traces wins."""
        return self.get(self.otlp_name(name), read, default)

    def otlp_name(self, name: str) -> str:
        of_traces = f"{_OTLP}TRACES_{name}"
        return of_traces if self.text(of_traces) else f"{_OTLP}{name}"


def _headers(found: _Variables) -> tuple[Header, ...]:
    """Secret headers: they usually hold a key."""
    name = found.otlp_name("HEADERS")
    pairs = found.get(name, _pairs, dict[str, str]())
    return tuple(
        Header(each.name, each.value, secret=True) for each in read_headers(pairs, f"${name}", found.errors, found.environ)
    )


def _tls(found: _Variables) -> Tls | None:
    values: dict[str, Any] = {}
    if ca_file := found.otlp("CERTIFICATE", toml_table.text, ""):
        values["ca_file"] = ca_file
    pair = {"cert": found.otlp("CLIENT_CERTIFICATE", toml_table.text, ""), "key": found.otlp("CLIENT_KEY", toml_table.text, "")}
    if given := {name: path for name, path in pair.items() if path}:
        values["client_certificate"] = given
    mistakes: list[str] = []
    tls = certificates.read_tls(Table(values, "telemetry", mistakes, certificates.KEYS), found.environ, mistakes)
    for mistake in mistakes:
        key, _, text = mistake.partition(": ")
        found.errors.append(f"${found.otlp_name(_TLS[key])}: {text}")
    return tls


def _sampled_share(found: _Variables) -> float:
    names = (*_SAMPLERS, *(f"parentbased_{each}" for each in _SAMPLERS))
    sampler = found.get("OTEL_TRACES_SAMPLER", toml_table.choice(*names), "always_on").removeprefix("parentbased_")
    share = found.get("OTEL_TRACES_SAMPLER_ARG", _share, 1.0) if sampler == "traceidratio" else 1.0
    return 0.0 if sampler == "always_off" else share


def _resource(found: _Variables, usual: Telemetry) -> tuple[tuple[str, str], ...]:
    """The attributes of the environment besides the usual ones; $OTEL_SERVICE_NAME wins."""
    service = found.get("OTEL_SERVICE_NAME", toml_table.text, "")
    given = found.get("OTEL_RESOURCE_ATTRIBUTES", _pairs, dict[str, str]())
    return tuple((dict(usual.resource) | given | ({"service.name": service} if service else {})).items())


def _pairs(text: str) -> dict[str, str]:
    """Read `name=value,name=value`, percent-encoded."""
    pairs = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not name or not equals:
            raise InvalidValue("found an entry (not shown) that is not NAME=VALUE, expected such, separated by commas")
        pairs[unquote(name)] = unquote(value)
    return pairs


def _whole(minimum: int, maximum: int) -> Callable[[Any], int]:
    read = toml_table.integer(minimum, maximum)
    return lambda text: read(int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InvalidValue(f"found {toml_table.display(text)}, expected a number from 0 to 1")
    return share
