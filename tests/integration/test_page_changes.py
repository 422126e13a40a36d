"""What a live page is sent: compressed, and of what the reader has nothing again."""

import re

import pytest
from job_changes import SINCE, moved, seen
from web_application import RIGHT, served_application

from tracker.core.jobs.job import COUNTERS
from tracker.web.pages.layout.partial_updates import HEADER, Versions

PAGE = """<!doctype html><head><title>Jobs</title></head><body data-now="1" data-version=""><nav>never again</nav>
<span id="overall" class="chip"><svg></svg><span>ready</span></span>
<main id="main"><p>{words}</p>{inside}</main><footer></footer>"""


def page(*inside, words=""):
    return PAGE.format(inside="".join(inside), words=words)


def row(key, text, when="3s ago"):
    return f'<tr class="a" data-key="{key}"><td>{text}</td><td><time><span class="rel">{when}</span></time></td></tr>'


def section(key, *inside):
    return f'<section class="sheet" data-key="{key}"><h2>x</h2>{"".join(inside)}</section>'


def same(tag, key):
    return f'<{tag} data-key="{key}" data-same></{tag}>'


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        ([row("a", 1), row("b", 1)], [row("a", 2), row("b", 1)], [row("a", 2), same("tr", "b")]),
        ([row("a", 1, "3s ago")], [row("a", 1, "4s ago"), row("b", 1)], [same("tr", "a"), row("b", 1)]),
        ([row("a", 1), row("b", 1)], [row("b", 1), row("a", 1)], [same("tr", "b"), same("tr", "a")]),
        ([section("s", row("a", 1))], [section("s", row("a", 1)), row("c", 1)], [same("section", "s"), row("c", 1)]),
        ([section("s", row("a", 1))], [section("s", row("a", 1), row("b", 1))], [section("s", same("tr", "a"), row("b", 1))]),
        ([row("a", "x")], [row("b", "x")], [row("b", "x")]),
        ([row("a", "<table><tr></tr></table>")], [row("a", "<table><tr></tr></table>"), "new"], None),
    ],
    ids=["a row", "a time alone", "moved", "a section", "in a section", "another key", "a row within a row"],
)
def test_what_a_reader_has_is_not_sent_again(before, after, sent):
    """Elements that are as they were are empty, in their order; all others are whole, and the page's frame is not there."""
    versions = Versions()
    _, had = versions.marked(page(*before))
    now, version = versions.marked(page(*after))
    changes = versions.changes(now, had)
    expected = page(*(after if sent is None else sent)).replace('data-version=""', f'data-version="{version}"')
    assert re.search("<main.*</main>", changes, re.DOTALL)[0] == re.search("<main.*</main>", expected, re.DOTALL)[0]
    assert f'data-version="{version}"' in changes
    assert ("never again" not in changes, "<title>Jobs</title>" in changes, 'id="overall"' in changes) == (True, True, True)


def test_a_version_is_of_what_is_shown():
    """Words for times make no other version; any other word does, and so does the state in the header."""
    versions = Versions()
    (_, first), (_, later) = versions.marked(page(row("a", 1, "now"))), versions.marked(page(row("a", 1, "1s ago")))
    others = [page(row("a", 2)), page(row("a", 1), words="x"), page(row("a", 1)).replace("ready", "in trouble")]
    assert first == later
    assert first not in {versions.marked(each)[1] for each in others}


def test_versions_are_forgotten():
    """A client with a version of long ago is sent everything, and nothing grows without a limit."""
    versions = Versions()
    _, first = versions.marked(page(row("a", 1)))
    for number in range(100):
        now, _ = versions.marked(page(row("a", 1), words=number))
    assert row("a", 1) in versions.changes(now, first)
    assert len(versions._known) == 64


async def test_a_look_at_the_page_costs_what_changed(path):
    """With fifty jobs on it a look is answered 204 while nothing changes, and by that one job's row where one moves."""
    async with served_application(path) as app:
        over = {"status": "SUCCESS", "completed_at": SINCE // 1000} | dict.fromkeys(COUNTERS[:3], 100)
        jobs = [seen(f"job-{number}", account="one", **over) for number in range(50)]
        await app.store.record("one", jobs)
        whole = await app.get("/")
        version = re.search(r'data-version="(\w+)"', whole.text)[1]
        assert (await app.get("/", headers={HEADER: version})).status_code == 204
        await app.store.record("one", [moved(jobs[7], failed_requests=7)])
        look = await app.get("/", headers={HEADER: version})
        assert look.status_code == 200
        assert re.findall(r'<tr[^>]*data-key="([^"]*)"(?! data-same)', look.text) == ["one job-7"]
        assert len(re.findall(r"<tr[^>]* data-same", look.text)) == 49
        assert len(look.text) < len(whole.text) / 5
        assert look.num_bytes_downloaded < len(whole.text) / 40
        assert (await app.get("/", headers={HEADER: "unknown"})).text.count("data-same") == 0


@pytest.mark.parametrize("url", ["/", "/static/page.css", "/api/openapi.json", "/api/jobs", "/metrics"])
async def test_answers_are_compressed_for_those_who_take_it(path, url):
    """Pages, styles, metrics and JSON are sent compressed where that is accepted, and as they are where it is not."""
    async with served_application(path) as app:
        await app.store.record("one", [seen(f"job-{number}", account="one") for number in range(50)])
        compressed = await app.get(url, headers={"accept-encoding": "gzip"})
        plain = await app.get(url, headers={"accept-encoding": "identity"})
        assert (compressed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
        for answer in (compressed, plain):
            assert "accept-encoding" in answer.headers["vary"].lower()
        assert compressed.num_bytes_downloaded < len(plain.content) / 3


async def test_the_stream_is_not_compressed(path):
    """An event is sent as it is the moment it comes: a compressor would keep it back."""
    asked = {"accept-encoding": "gzip"} | RIGHT
    async with served_application(path) as app, app.client.stream("GET", "/api/stream", headers=asked) as answer:
        assert "content-encoding" not in answer.headers
        assert (await anext(answer.aiter_raw())).startswith(b"retry:")
