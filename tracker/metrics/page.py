"""The page that Prometheus scrapes: its parts in order. A part that fails is left out, counted, and logged once."""

from collections.abc import Callable, Mapping

import structlog

from tracker.metrics.families import Families

Part = Callable[[], bytes]


class Page:
    """Renders in whichever thread asks; one at a time, please."""

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

    def render(self) -> bytes:
        """The page in Prometheus's text format, 0.0.4."""
        rendered = [self._render(name, part) for name, part in self._parts.items()]
        return b"".join([*rendered, self._families.render()])

    def _render(self, name: str, part: Part) -> bytes:
        try:
            rendered = part()
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs this part's series and no others
            self._errors.labels(name).inc()
            if name not in self._failing:
                self._log.warning("metrics.failed", part=name, error=f"{type(error).__name__}: {error}")
                self._failing.add(name)
            return b""
        self._failing.discard(name)
        return rendered
