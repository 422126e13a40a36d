"""What the page of a job says of its results: why requests failed, the files, usage and cost."""

import re
from html import unescape

from archived_files import archive, missing
from archiving import ended
from web_application import CONTROL, TOKEN, served_application

from tracker.core.results.cost import Cost
from tracker.core.results.failure_digest import Digest, FailureGroup
from tracker.core.results.usage import ModelUsage, Usage

SMALL = ModelUsage(requests=9, prompt_tokens=1_234_567, completion_tokens=180, total_tokens=1_234_747)
GROUPS = (
    FailureGroup(status=429, code="busy", message="wait # s", count=1200, custom_ids=("a<b", "c"), sample="wait 17 s"),
    FailureGroup(status=500, code="500", message="HTTP #", count=1, custom_ids=("d",), sample="HTTP 500"),
)
FAILED = {"failed_requests": 1205, "total_requests": 1300, "completed_requests": 1300, "succeeded_requests": 95}
ERRORS = [{"message": "rate limited", "count": 1205}]


async def shown(app, url="/jobs/job-1", **headers):
    """The page's text in one line, without its head and its frame; and its HTML."""
    answer = await app.get(url, headers={"accept": "text/html"} | headers)
    assert answer.status_code == 200
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split()), main


async def logged_in(app, token=CONTROL):
    answer = await app.post("/login", data={"token": token})
    app.client.cookies.clear()
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


async def test_why_requests_failed(tmp_path):
    """Each group has its message, status, code, count, custom_ids and a sample that says more; what no group has is counted."""
    digest = Digest(
        failed=1205,
        unreadable=1,
        groups=GROUPS,
        groups_omitted=2,
        other=4,
        job_errors=("the job's own",),
        mismatch="1,206 lines",
    )
    async with served_application(tmp_path / "tracker.db", archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", output=b"{}\n", said={"digest": digest}, errors=ERRORS, **FAILED)
        text, html = await shown(app)
    why = text.partition("Why requests failed")[2].partition("Results")[0]
    for part in (
        "wait # s HTTP 429 · busy such as wait 17 s 1 200 a<b, c, …",
        "HTTP 500 1 d",
        "Reported by the job: the job's own",
        "4 more requests failed in 2 other ways.",
        "1 line could not be read.",
        "The files and the job's counters differ: 1 206 lines.",
    ):
        assert part in why
    assert "a&lt;b" in html
    assert "rate limited" not in why, "the files say it better than the job"


async def test_usage_cost_and_files(tmp_path):
    """Each model has its usage, and all together theirs; the cost is as it was recorded; a missing file says why."""
    usage = Usage(total=SMALL, by_model={"small": SMALL, "tiny": ModelUsage(requests=1)})
    said = {"usage": usage, "cost": Cost(amounts={"EUR": "0.25", "USD": "3"}, unpriced_models=("tiny",))}
    async with served_application(tmp_path / "tracker.db", archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", output=b"{}\n" * 400, missing=[missing()], said=said)
        text, _ = await shown(app)
    results = text.partition("Results")[2]
    assert results.startswith(" archived in part Result files of the job File Content SHA-256")
    assert "Output file output 1.2 KB, 400 lines" in results
    assert "Error file error It does not exist any more: HTTP 404" in results
    assert "small 9 1 234 567 180 tiny 1 0 0 All 9" in results
    assert "Cost 0.25 EUR + 3 USD; no price for tiny" in results
    assert "Pages" not in results.partition("Progress")[0]


async def test_links_to_files_ask_for_a_login(tmp_path):
    """Who has not logged in finds the way to the login and back to the page, and who has, the file itself."""
    file = "/api/jobs/a%2Fb/files/output?account=one"
    for access, token in (({}, CONTROL), ({"token": TOKEN}, TOKEN)):
        folder = tmp_path / str(len(access))
        async with served_application(folder.with_suffix(".db"), archive=folder, **access) as app:
            await archive(app, folder, job="a/b", output=b"{}\n")
            if not access:
                _, html = await shown(app, "/jobs/a%2Fb")
                assert file not in html
                (login,) = re.findall(r'href="(/login[^"]*)"', html)
                answer = await app.post("/login", data={"token": token, "next": unescape(login).partition("next=")[2]})
                assert answer.status_code == 303
                page = await app.get(unescape(login), headers={"accept": "text/html"})
                assert 'name="next" value="/jobs/a%2Fb?account=one"' in page.text
                app.client.cookies.clear()
            session = await logged_in(app, token)
            _, html = await shown(app, "/jobs/a%2Fb", **session)
            links = [unescape(each) for each in re.findall(r'href="(/api/jobs/[^"]*)"', html)]
            assert file in links
            assert (await app.get(file, headers=session)).content == b"{}\n"
            results = next(each for each in links if "/results" in each)
            assert (await app.get(results, headers=session)).json()["job"] == "a/b"


async def test_results_that_wait_are_removed_or_are_none(tmp_path):
    """A page says what is still to be archived and why it is not yet, and that files were removed; else it says nothing."""
    root = tmp_path / "results"
    async with served_application(tmp_path / "tracker.db", archive=root) as app:
        await app.store.record("one", [ended("waits", account="one"), ended("none", account="one", output=None)])
        await app.store.archive.fail("one", "waits", 1_750_000_000_000, "server", "HTTP 503: <busy>")
        await archive(app, root, output=b"{}\n")
        await app.store.archive.forget_files("one", "job-1", 1_750_000_000_000)
        waits, removed, none = [(await shown(app, f"/jobs/{job}"))[0] for job in ("waits", "job-1", "none")]
    assert "Results not archived yet The files have waited to be archived since" in waits
    assert "1 attempt failed. The last one: HTTP 503: <busy>" in waits
    assert "The files were removed" in removed
    assert "Log in" not in removed
    assert "Results" not in none
