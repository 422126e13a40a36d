"""Owns Telemetry: how traces are exported, as a frozen value."""

from typing import Final

import msgspec

from tracker.config.secrets.secret import Header
from tracker.http.tls import Tls

TRACES_PATH: Final = "/v1/traces"


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """How traces are exported, by OTLP over HTTP. Durations are seconds.

    `endpoint` is the whole URL. `sampled_share` of all traces are exported. At most `queue_size` spans wait, and every `delay`
    they are sent, `batch_size` in a request. `resource` is the attributes of who exports them.
    """

    traces: bool = False
    endpoint: str = f"http://localhost:4318{TRACES_PATH}"
    headers: tuple[Header, ...] = ()
    tls: Tls | None = None
    timeout: float = 10.0
    compress: bool = False
    sampled_share: float = 1.0
    queue_size: int = 2048
    batch_size: int = 512
    delay: float = 5.0
    resource: tuple[tuple[str, str], ...] = (("service.name", "batch-tracker"),)


def traces_path(base: str) -> str:
    """The URL of traces at the collector with this URL."""
    return base.rstrip("/").removesuffix(TRACES_PATH) + TRACES_PATH
