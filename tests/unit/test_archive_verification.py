"""What proves a downloaded file whole, what contradicts that, and under which name it is stored."""

import pytest

from tracker.core.results.file_analysis import Analyzer
from tracker.core.results.result_file import FileFacts
from tracker.results.content_pipeline import Received
from tracker.results.locations.archived_file_names import name_of
from tracker.results.verification import contradiction, is_whole

LINE = b'{"custom_id":"1","response":{"status_code":200,"body":{}},"error":null}\n'


def received(data=LINE * 2):
    analyzer = Analyzer()
    analyzer.feed(data)
    return Received(len(data), "ab", analyzer.finish())


@pytest.mark.parametrize(
    ("data", "announced", "facts", "found"),
    [
        (LINE * 2, 144, FileFacts(bytes=144, lines=2), None),
        (LINE * 2, 144, FileFacts(), None),
        (LINE * 2, 144, None, None),
        (LINE * 2, None, FileFacts(), None),
        (LINE * 2, None, None, "the length of the file is unknown"),
        (LINE * 2, 145, FileFacts(), "expected 145 bytes by Content-Length, received 144"),
        (LINE * 2, 144, FileFacts(bytes=151), "expected 151 bytes by the API, received 144"),
        (LINE * 2, 144, FileFacts(lines=3), "expected 3 lines by the API, received 2"),
        (LINE * 2 + b"\n\n", 146, FileFacts(lines=4), None),
        (LINE * 2 + b"\n\n", 146, FileFacts(lines=2), None),
        (LINE * 2 + b"\n\n", 146, FileFacts(lines=3), "expected 3 lines by the API, received 2"),
        (LINE * 2 + b'{"custom', 152, FileFacts(bytes=152, lines=3), "its last line is not a complete JSON object"),
        (
            LINE,
            None,
            FileFacts(bytes=144, lines=2),
            "expected 144 bytes by the API, received 72; expected 2 lines by the API, received 1",
        ),
        (b"", 0, FileFacts(bytes=0, lines=0), None),
    ],
)
def test_contradiction(data, announced, facts, found):
    """Each thing that is known is compared with what came, and what is unknown contradicts nothing."""
    assert contradiction(received(data), announced, facts) == found


@pytest.mark.parametrize(("announced", "whole"), [(144, True), (143, False), (None, False)])
def test_whole_is_what_was_announced(announced, whole):
    """Only an announced length proves that a download came to its end."""
    assert is_whole(received(), announced) is whole


@pytest.mark.parametrize(
    "hostile", ["..", ".", "", "a/b", "../../etc", ".hidden", "a\x00b", "ä", "x" * 200, "~x", "a\nb", "\ud800", "CON:", "a+b"]
)
def test_hostile_name_is_replaced(hostile):
    """What could lead elsewhere, or be too long for a file system, is replaced; each text by another one."""
    name = name_of("default", hostile, hostile)
    account, job, file = name.split("/")
    assert (account, job + ".jsonl") == ("default", file)
    assert len(file) < 150
    assert set(job) <= set("~0123456789abcdef")
    assert len({name_of("default", each, "f") for each in (hostile, hostile + "x", hostile + "y")}) == 3


def test_usual_names_stay():
    """An id in the form that the API has is readable in the name."""
    assert name_of("team.1", "5e8e2a1c-0a6c", "0b5ff1a1-8f3c") == "team.1/5e8e2a1c-0a6c/0b5ff1a1-8f3c.jsonl"
