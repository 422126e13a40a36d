"""A job's title: what people called it, out of its metadata."""

import pytest

from tracker.core.jobs.title import LONGEST_TITLE, job_title

UUID = "5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11"


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        pytest.param({"team": "research", "task": "nightly"}, "nightly · research", id="the-most-telling-first"),
        pytest.param({"team": "research", "run": "7"}, "research · run: 7", id="an-unknown-name-is-said"),
        pytest.param({"name": "12"}, "name: 12", id="a-number-says-nothing-alone"),
        pytest.param({"Job-Name": "nightly", "user": "ana"}, "nightly · ana", id="however-the-name-is-written"),
        pytest.param({"a": "1", "b": "2", "c": "3", "d": "4"}, "a: 1 · b: 2 · c: 3", id="three-parts"),
        pytest.param({"trace": UUID, "name": UUID.replace("-", "")}, "", id="ids-and-hashes-say-nothing"),
        pytest.param({"timeout_hours": "48"}, "", id="a-setting"),
        pytest.param({"name": "a\n\u202eb\x1b", "task": " "}, "a b", id="one-printable-line"),
        pytest.param({"run": 7, "share": 0.5, "flag": True, "nested": {"name": "x"}, "list": ["x"], "none": None},
                     "run: 7 · share: 0.5", id="other-values"),
        *(pytest.param(none, "", id=f"no-metadata-{none}") for none in (None, {}, [], "text")),
    ],
)  # fmt: skip
def test_title_is_what_people_called_the_job(metadata, title):
    """Names, tasks and teams lead; IDs, settings and what is no text do not."""
    assert job_title({"id": UUID, "metadata": metadata}) == title


def test_title_is_short():
    """However much metadata there is, the title fits a row."""
    metadata = {"name": "n" * 10_000, "k" * 10_000: "v", "team": "t" * 10_000}
    title = job_title({"metadata": metadata})
    assert len(title) <= LONGEST_TITLE
    assert title.startswith("n" * 47 + "… · t")
    assert job_title({}) == ""
