"""The power may fail at any moment: what is recorded as archived is on the disk, as each step waits for the one before."""

import re
import signal
from pathlib import Path

import pytest
from archives import Archiving
from planting import plant
from programs import program
from recording import whole
from simulated_jobs import begin, end
from tracking import simulated

CALLS = "openat,write,fsync,rename,renameat,renameat2,mkdir,mkdirat,pwrite64"
_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(\(| resumed>)(.*)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')

NOT_SYNCED = """
    from tracker.results.locations.part_file import PartFile
    PartFile.sync = lambda self: None
"""
RENAMED_TOO_EARLY = """
    from tracker.results.locations import part_file
    part_file.sync_directory = lambda folder: None
"""


class Trace:
    """The calls of a process: each its name, first number, texts, and the lines at which it was begun and over."""

    def __init__(self, text):
        self.calls, begun = [], {}
        self._paths = {}  # of descriptors
        for number, line in enumerate(text.splitlines()):
            if not (matched := _LINE.match(line)):
                continue
            pid, name, how, rest = matched.groups()
            if rest.endswith("<unfinished ...>"):
                begun[pid, name] = number, rest
                continue
            began, arguments = begun.pop((pid, name), (number, "")) if how == " resumed>" else (number, "")
            self._add(name, arguments + rest, began, number)

    def _add(self, name, arguments, began, ended):
        result = re.search(r"= (-?\d+)", arguments[-60:])
        if not result or int(result[1]) < 0:
            return
        texts = [bytes.fromhex(text.replace("\\x", "")).decode("latin-1") for text in _TEXT.findall(arguments)]
        if name == "openat":
            self._paths[int(result[1])] = texts[0]
        descriptor = re.match(r"\d+", arguments)
        path = self._paths.get(int(descriptor[0])) if descriptor else None
        self.calls.append((name, path, texts, began, ended))

    def find(self, name, is_meant):
        """The lines at which each such call was begun and over."""
        return [(began, ended) for called, path, texts, began, ended in self.calls if called in name and is_meant(path, texts)]


async def traced(folder, bug=None):
    """What a daemon asked of the kernel that archived a job's two files, and the paths of these."""
    async with simulated() as simulator:
        installation = Archiving(folder, simulator.url)
        (id_,) = begin(simulator, requests=300)
        end(simulator, id_, "partial")
        trace = folder / "trace"
        strace = program("strace", "strace")
        installation.under = [strace, "-D", "-f", "-q", "-xx", "-s", "200000", "-e", f"trace={CALLS}", "-o", str(trace)]
        if bug:
            plant(installation, bug)
        async with installation.running() as daemon:
            await installation.wait_for_results([id_])
            assert await daemon.stop(signal.SIGTERM) == 0
        text = await whole(trace, daemon.process.pid)
    return Trace(text.decode("latin-1")), [str(path) for path in installation.files().values()]


def too_early(trace, files):
    """What was done before what it needs was on the disk."""
    (recorded, *_) = trace.find(("pwrite64",), lambda _, texts: any("batch.archived" in text for text in texts))
    for file in files:
        part, folder = file + ".part", str(Path(file).parent)
        written = trace.find(("write",), lambda path, _, part=part: path == part)
        synced = trace.find(("fsync",), lambda path, _, part=part: path == part)
        (renamed,) = trace.find(("rename", "renameat", "renameat2"), lambda _, texts, file=file: file in texts)
        named = trace.find(("fsync",), lambda path, _, folder=folder: path == folder)
        if not any(written[-1][1] <= began and ended <= renamed[0] for began, ended in synced):
            yield "a file is renamed"
        if not any(renamed[1] <= began and ended <= recorded[0] for began, ended in named):
            yield "its name is recorded"
    for name, _, texts, _, made in trace.calls:
        if name in ("mkdir", "mkdirat") and "/results" in texts[0]:
            parent = str(Path(texts[0]).parent)
            synced = trace.find(("fsync",), lambda path, _, parent=parent: path == parent)
            if not any(made <= began and ended <= recorded[0] for began, ended in synced):
                yield "its folder is recorded"


async def test_what_is_recorded_is_on_the_disk(tmp_path):
    """A file is on the disk before it has its name, and its name and folders are before it is recorded."""
    trace, files = await traced(tmp_path)
    assert len(files) == 2
    assert [*too_early(trace, files)] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "found"),
    [(NOT_SYNCED, {"a file is renamed"}), (RENAMED_TOO_EARLY, {"its name is recorded", "its folder is recorded"})],
    ids=["a file that is not synced", "a name that is not synced"],
)
async def test_trace_finds_what_is_too_early(tmp_path, bug, found):
    """A product that leaves out a sync does not pass."""
    trace, files = await traced(tmp_path, bug)
    assert set(too_early(trace, files)) == found
