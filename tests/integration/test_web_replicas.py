"""What the API and the pages say of replicas: who lives, who works on what, and what none works on."""

import re
from html import unescape
from urllib.parse import quote

import pytest
from cluster_rows import AT, HOSTILE, lease, replace_rows, replica
from job_changes import SINCE, moved, seen
from web_application import ACCOUNTS, RECEIVERS, served_application

from tracker.core.forecast.eta import with_etas
from tracker.store.sqlite.reading.reader import SqliteReader
from tracker.web import forecasts
from tracker.web.pages import replicas as page

REPLICAS = [replica("a", receivers=0), replica("b", live=False), replica(HOSTILE, url=None, accounts=0, receivers=2)]
LEASES = [
    lease("account", "one", "a"),
    lease("account", "removed", None),
    lease("account", "two", None),
    lease("maintenance", "log", "a"),
    *(lease("receiver", name, HOSTILE) for name in RECEIVERS),
]
BANNER = "No replica works on account two: its jobs are not watched"


@pytest.fixture
async def app(tmp_path):
    async with served_application(tmp_path / "tracker.db") as app:
        for account in ACCOUNTS:
            app.health.swept(account, None, 1_750_000_000_000)
        yield app


@pytest.fixture
def cluster(monkeypatch):
    replace_rows(monkeypatch, SqliteReader, REPLICAS, LEASES)


async def html(app, path):
    answer = await app.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200
    return answer.text


def rows(text, kind):
    """The texts of the table's rows, by their keys."""
    found = re.findall(rf'<tr data-key="{kind} ([^"]*)">(.*?)</tr>', text, re.DOTALL)
    return {unescape(key): " ".join(unescape(re.sub(r"<[^>]*>", " ", inside)).split()) for key, inside in found}


async def test_one_process_alone_has_no_replicas(app):
    """On a file the API gives empty lists, pages do not link to the replicas, and their page says why there are none."""
    assert (await app.get("/api/replicas")).json() == {"object": "list", "data": [], "leases": [], "unheld": []}
    assert 'href="/replicas"' not in await html(app, "/")
    assert "this process has it to itself" in await html(app, "/replicas")


@pytest.mark.usefixtures("cluster")
async def test_api_gives_replicas_leases_and_what_is_unheld(app):
    """Each replica and lease with its times; a configured account without a holder is unheld, a former account is not."""
    answer = (await app.get("/api/replicas")).json()
    assert answer["data"] == REPLICAS
    assert answer["leases"] == [{key: value for key, value in each.items() if key != "report"} for each in LEASES]
    assert answer["unheld"] == [{"kind": "account", "name": "two"}]


@pytest.mark.usefixtures("cluster")
async def test_page_shows_who_lives_and_who_works_on_what(app):
    """A row for each replica and each lease of the configuration; the lost replica is marked, and so is each unheld lease."""
    text = await html(app, "/replicas")
    shown = rows(text, "replica")
    assert [*shown] == ["a", "b", HOSTILE]
    assert re.match(r"a http://a.example:9471/ live maintains the log 1 0 .* 1.0.0$", shown["a"])
    assert " lost " in shown["b"]
    leases = rows(text, "lease")
    assert [*leases] == ["account two", "account one", "maintenance log", *(f"receiver {name}" for name in RECEIVERS)]
    assert leases["account two"] == "two account none \N{EN DASH}"
    assert leases["account one"].startswith("one account a ")
    assert f'datetime="{AT}"' in text
    assert "<script>alert" not in text
    assert 'aria-current="page">Replicas' in text


async def test_replica_that_is_there_has_a_link(app, monkeypatch):
    """It leads to the replica's own pages; one that is lost, or says anything but a URL, has none."""
    hostile = replica("d", url="javascript:alert(1)")
    replace_rows(monkeypatch, SqliteReader, [replica("a"), replica("b", live=False), hostile], LEASES)
    text = await html(app, "/replicas")
    assert re.findall(r'<a class="sub any" href="([^"]*)"', text) == ["http://a.example:9471/"]
    assert "javascript:alert(1)" in text
    assert 'href="javascript' not in text


@pytest.mark.usefixtures("cluster")
async def test_receivers_and_accounts_name_the_replica_that_works_on_them(app):
    """In the API and on the pages, with a link to what else that replica works on; null where none does."""
    held = {each["name"]: each["replica"] for each in (await app.get("/api/receivers")).json()["data"]}
    assert held == dict.fromkeys(RECEIVERS, HOSTILE)
    for path in ("/receivers", f"/receivers/{RECEIVERS[0]}"):
        text = await html(app, path)
        assert f'href="/replicas?replica={quote(HOSTILE)}"' in text
        assert "<script>alert" not in text


async def test_receivers_name_no_replica_where_there_is_none(app, monkeypatch):
    """Without replicas nothing is said; among replicas a receiver without one says so."""
    assert "replica" not in (await app.get("/api/receivers")).json()["data"][0]
    assert "erved by" not in await html(app, "/receivers")
    replace_rows(monkeypatch, SqliteReader, REPLICAS, [lease("receiver", name, None) for name in RECEIVERS])
    assert (await app.get("/api/receivers")).json()["data"][0]["replica"] is None
    assert "Served by</dt><dd>no replica" in await html(app, "/receivers")


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("path", ["/", "/events", "/receivers", "/accounts", "/replicas"])
async def test_what_no_replica_works_on_is_a_banner(app, path):
    """Every page says so, and its header is not "ready"; every page links to the replicas."""
    text = await html(app, path)
    assert f"<p>{BANNER}</p>" in text
    assert re.search(r'id="overall" class="chip warn"', text)
    assert 'href="/replicas"' in text


async def test_page_filters_by_replica_and_is_bounded(app, monkeypatch):
    """A pill for each replica selects what it works on, one selects what none works on; a long list is cut, and says so."""
    replace_rows(monkeypatch, SqliteReader, REPLICAS, LEASES)
    assert [*rows(await html(app, "/replicas?replica=a"), "lease")] == ["account one", "maintenance log"]
    assert [*rows(await html(app, "/replicas?replica="), "lease")] == ["account two"]
    assert rows(await html(app, "/replicas?replica=unknown"), "lease") == {}
    pills = re.findall(r'href="([^"]*)" data-key="[^"]*" +(?:aria-current="true")?><span>', await html(app, "/replicas"))
    assert {"/replicas", "/replicas?replica=", "/replicas?replica=a"} < {*pills}
    monkeypatch.setattr(page, "MOST_LEASES", 2)
    text = await html(app, "/replicas")
    assert len(rows(text, "lease")) == 2
    assert "3 more; " in text


async def test_forecast_is_the_same_on_every_replica(tmp_path, monkeypatch):
    """A running job that another replica polls has the rate and the end that this other one shows; without replicas none."""
    async with served_application(tmp_path / "tracker.db") as app:
        change, histories = seen("job", account="one", status="RUNNING", total_requests=100), {}
        await app.store.record("one", [change])
        for minute in range(1, 30):
            change = moved(change, now=SINCE + minute * 60_000, completed_requests=minute)
            (change,) = with_etas([change], histories, SINCE + minute * 60_000)
            await app.store.record("one", [change])
        app.supervisor.known = {"one": histories}
        holder = (await app.get("/api/jobs/job")).json()
        app.supervisor.known = {}
        alone = (await app.get("/api/jobs/job")).json()
        app.health.replica = "b"
        others = [(await app.get("/api/jobs/job")).json(), (await app.get("/api/jobs")).json()["data"][0]]
        pages = [await html(app, path) for path in ("/", "/jobs/job")]
        monkeypatch.setattr(forecasts, "MOST_FROM_LOG", 0)
        (unread,) = (await app.get("/api/jobs")).json()["data"]
    assert holder["rate"] == pytest.approx(1 / 60)
    for other in others:
        assert other == holder | {"rate": pytest.approx(holder["rate"])}
    assert all(holder["eta"] in page for page in pages)
    assert [(each["rate"], each["eta"]) for each in (alone, unread)] == [(None, None)] * 2


async def test_leases_are_read_where_they_are_shown_or_missing(app, monkeypatch):
    """Where the replicas hold as much as there is no page reads thousands of leases but that which shows them."""
    read = []

    async def leases(_):
        read.append(1)
        return [*LEASES[:2], lease("account", "two", "a"), *LEASES[3:]]

    replace_rows(monkeypatch, SqliteReader, [replica("a", accounts=2, receivers=2)], [])
    monkeypatch.setattr(SqliteReader, "leases", leases)
    for path in ("/", "/events", "/accounts"):
        text = await html(app, path)
        assert 'href="/replicas"' in text
        assert "No replica works" not in text
    assert read == []
    assert next(iter(rows(await html(app, "/replicas"), "lease"))) == "account one"
