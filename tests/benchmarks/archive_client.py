"""Archives one file in a process of its own, on the daemon's loop, and prints what that cost as JSON.

Arguments: the URL of the API, the folder of the archive, whether to compress ("yes").
"""

import json
import resource
import sys
import time
from pathlib import Path

import anyio
import uvloop
from job_changes import a_job
from vendor_clients import mistral_files

from tracker.config.secrets.credentials import Credentials
from tracker.config.secrets.secret import Secret
from tracker.core.results.archive_task import ArchiveTask
from tracker.core.results.result_file import ResultFile
from tracker.http.client import http_client, tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.results.archive_settings import ArchiveSettings
from tracker.results.content_pipeline import pipeline_limits
from tracker.results.file_archiver import Archived, FileArchiver
from tracker.results.locations.local_directory import LocalDirectory
from tracker.runtime.clock import now
from tracker.runtime.heartbeat import Heartbeat

FILE = ResultFile("output", "file-1")


class Turns:
    """The longest turn of the loop, by its thread's CPU and by the clock: a callback in each turn looks at both."""

    def __init__(self):
        self.cpu = self.wall = 0.0
        self.count = 0

    async def watch(self):
        import asyncio  # noqa: PLC0415

        while True:
            cpu, wall = time.thread_time(), time.perf_counter()
            await asyncio.sleep(0)
            self.cpu, self.wall = max(self.cpu, time.thread_time() - cpu), max(self.wall, time.perf_counter() - wall)
            self.count += 1


async def archive(url, folder, *, compress, watched):
    """Archive the file; the seconds that it took, the bytes, and the turns of the loop."""
    settings = ArchiveSettings(min_free=0, compress=compress)
    job = a_job("job-1", "SUCCESS", output_file="file-1")
    task = ArchiveTask(account="default", job=job, created_at=now(), due_at=now())
    turns = Turns()
    async with http_client(tls_context()) as http:
        source = mistral_files(
            http, url, Credentials({"api_key": Secret("key")}), rate_limiter=RateLimiter(1000), deadline=10.0, now=now
        )
        files = FileArchiver(source, LocalDirectory(folder), settings, pipeline_limits(), now, Heartbeat())
        async with anyio.create_task_group() as group:
            if watched:
                group.start_soon(turns.watch)
            began = time.perf_counter()
            outcome = await files.archive(task, FILE)
            seconds = time.perf_counter() - began
            group.cancel_scope.cancel()
    assert isinstance(outcome, Archived), outcome
    return seconds, outcome.file, turns


def main():
    url, folder, compress = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "yes"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    watched = sys.argv[4:] == ["watched"]
    run = lambda: anyio.run(  # noqa: E731
        lambda: archive(url, folder, compress=compress, watched=watched),
        backend_options={"loop_factory": uvloop.new_event_loop},
    )
    seconds, file, turns = run()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(  # noqa: T201
        json.dumps(
            {
                "seconds": seconds,
                "sha256": file.sha256,
                "lines": file.lines,
                "kilobytes": grown,
                "turn_cpu": turns.cpu,
                "turn_wall": turns.wall,
                "turns": turns.count,
                "cpu": used.ru_utime + used.ru_stime,
            }
        )
    )


if __name__ == "__main__":
    main()
