"""Owns the metric of the export of traces: what became of spans."""

from typing import Final

from tracker.metrics.families import Families

RESULTS: Final = ("exported", "dropped", "rejected")


class TraceExportMetrics:
    """Counts spans that a collector took, that could not be sent in time, and that it refused one by one."""

    def __init__(self) -> None:
        families = Families()
        self._spans = families.counter("spans", "Spans of the export of traces, by what became of them.", "result")
        self.collect = families.collect
        for result in RESULTS:
            self._spans.labels(result)

    def counted(self, result: str, spans: int) -> None:
        self._spans.labels(result).inc(spans)
