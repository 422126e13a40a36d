"""Owns the text formats of the metrics: Prometheus's own, and OpenMetrics 1.0, which has exemplars."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

_END: Final = b"# EOF\n"


class _Collected(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class TextFormat(NamedTuple):
    """One format: its media type, how families become text, and what ends the page."""

    media_type: str
    write: Callable[[Collector], bytes]
    end: bytes

    def text(self, families: Iterable[Metric]) -> bytes:
        """The families in this format, without the end of a page."""
        return self.write(_Collected(families)).removesuffix(self.end)


PROMETHEUS: Final = TextFormat("text/plain; version=0.0.4; charset=utf-8", generate_latest, b"")
OPENMETRICS: Final = TextFormat("application/openmetrics-text; version=1.0.0; charset=utf-8", openmetrics.generate_latest, _END)


def negotiated(accept: str) -> TextFormat:
    """The format for a request with this `Accept`: OpenMetrics where it is named and as welcome as text, else Prometheus's."""
    ranges = [_range(each) for each in accept.split(",")]
    wanted = max((q for media, version, q in ranges if media == _OPENMETRICS and version in ("", "1.0.0")), default=0.0)
    text = max((q for media, version, q in ranges if media == "text/plain" and version in ("", "0.0.4")), default=0.0)
    return OPENMETRICS if wanted > 0 and wanted >= text else PROMETHEUS


_OPENMETRICS: Final = "application/openmetrics-text"


def _range(text: str) -> tuple[str, str, float]:
    """The media type, the version and the weight of one range of `Accept` (RFC 9110 12.5.1)."""
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    values = dict(parameter.partition("=")[::2] for parameter in parameters)
    return media, values.get("version", "").strip('"'), _weight(values.get("q", "1"))


def _weight(text: str) -> float:
    """From 0 to 1; 0 where it is none."""
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
