"""The exposition that Prometheus scrapes: its parts in order. A part that fails is left out, counted, and logged once."""

from collections.abc import Callable, Iterable, Mapping

import structlog
from prometheus_client.core import Metric

from tracker.metrics.families import Families
from tracker.metrics.text_format import PROMETHEUS, TextFormat

Part = Callable[[], Iterable[Metric] | bytes]
"""Gives families, or text that is the same in every format."""


class Exposition:
    """The exposition page. `render` may be called in any thread, by one caller at a time."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts: dict[str, Part] = {}
        self._failing: set[str] = set()
        self._families = Families()
        self._errors = self._families.counter("metrics_errors", "Times that a part of this page could not be made.", "part")
        self._log = structlog.get_logger()
        self.add(parts)

    def add(self, parts: Mapping[str, Part]) -> None:
        for name in parts:
            self._errors.labels(name)
        self._parts |= parts

    def render(self, format_: TextFormat = PROMETHEUS) -> bytes:
        """The page in a text format."""
        rendered = [self._render(name, part, format_) for name, part in self._parts.items()]
        return b"".join([*rendered, format_.text(self._families.collect()), format_.end])

    def _render(self, name: str, part: Part, format_: TextFormat) -> bytes:
        try:
            given = part()
            rendered = given if isinstance(given, bytes) else format_.text(given)
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs this part's series and no others
            self._errors.labels(name).inc()
            if name not in self._failing:
                self._log.warning("metrics.failed", part=name, error=f"{type(error).__name__}: {error}")
                self._failing.add(name)
            return b""
        self._failing.discard(name)
        return rendered
