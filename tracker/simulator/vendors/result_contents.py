"""Owns the one result file that a job has at vendors without a file of errors: its content, and its faults."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from math import inf
from typing import Final

from anyio import to_thread
from starlette.responses import Response

from tracker.simulator.faults.download_faults import REFUSED, download
from tracker.simulator.files.content import Content, GeneratedContent, ShortenedContent
from tracker.simulator.job_timeline import JobPlan

MOST: Final = 200
"""Contents whose size is remembered."""


class ResultContents:
    """The results of jobs. `refuse` gives the answer of an HTTP status; `faulted` counts the faults that strike."""

    def __init__(
        self,
        make_lines: Callable[[JobPlan], Iterable[bytes]],
        refuse: Callable[[int], Response],
        faulted: Counter[str],
    ) -> None:
        """`make_lines` gives the lines of a job that is over, with their line ends."""
        self._make_lines = make_lines
        self._refuse = refuse
        self._faulted = faulted
        self._contents: dict[str, tuple[JobPlan, Content]] = {}

    def gone_at(self, plan: JobPlan) -> float:
        """The moment from which on they are not found."""
        after = plan.file_faults.gone_after
        return inf if after is None else plan.ended + plan.settling + after

    async def content(self, plan: JobPlan) -> Content:
        """The content, measured; that takes seconds for a large one."""
        known, content = self._contents.get(plan.id, (None, None))
        if content is None or known is not plan:
            whole = GeneratedContent(partial(self._make_lines, plan))
            missing = plan.file_faults.missing
            content = ShortenedContent(whole, missing) if missing else whole
            if len(self._contents) >= MOST:
                self._contents.clear()
            self._contents[plan.id] = plan, content
        await to_thread.run_sync(lambda: content.size)
        return content

    async def download(self, plan: JobPlan, fault: str | None, at: float) -> Response:
        """The answer to a download of results that the job has at `at`, spoiled by the fault or by one of its files'."""
        if at >= self.gone_at(plan):
            return self._refuse(404)
        if plan.file_faults.forbidden:
            self._faulted["file-forbidden"] += 1
            return self._refuse(403)
        struck = fault or plan.file_faults.download
        self._faulted.update([] if fault or not struck else [struck])
        if struck in REFUSED:
            return self._refuse(int(struck.removeprefix("download-")))
        return download(await self.content(plan), at, struck)
