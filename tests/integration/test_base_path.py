"""The pages below a path of a reverse proxy: every link, redirect and cookie is below it, be it kept or stripped."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
from web_application import CONTROL, RIGHT, TOKEN, fill, served_application

from tracker.web.public_url import DIRECT, PublicUrl

BASE = "/ops/batch-tracker"
PUBLIC_URL = PublicUrl(base_path=BASE, external_url=f"https://ops.example.com{BASE}")
PAGES = ["/", "/?status=QUEUED", "/events", "/receivers", "/receivers/pipeline", "/accounts", "/login", "/nowhere"]
PAGES += ["/jobs/job-1?account=one", "/jobs/job-0", "/events?before=20", "/receivers/team?state=pending"]
LINK = re.compile(r'\b(?:href|src|action)="([^"#][^"]*)"')


def links(page):
    return {each.replace("&amp;", "&") for each in LINK.findall(page)}


@pytest.fixture(scope="module")
async def app(tmp_path_factory):
    """One that has jobs, deliveries in every state, and a proxy before it."""
    async with served_application(tmp_path_factory.mktemp("below") / "tracker.db", public_url=PUBLIC_URL) as app:
        await fill(app.store)
        yield app


@pytest.mark.slow
@pytest.mark.parametrize("passed_on", [BASE, ""], ids=["the proxy keeps the path", "the proxy strips it"])
async def test_every_link_is_below_the_path(app, passed_on):
    """Links, forms, styles and scripts of every page lead below the path, and each that is read leads somewhere."""
    found = set()
    for page in PAGES:
        answer = await app.get(passed_on + page, headers={"accept": "text/html"})
        assert answer.status_code in (200, 404, 409)
        found |= links(answer.text)
    assert {each for each in found if not each.startswith(BASE + "/")} == set()
    assert len(found) > 40
    for each in sorted(found):
        answer = await app.get(passed_on + each.removeprefix(BASE))
        assert answer.status_code in (200, 303, 405, 503), each


async def test_at_the_root_nothing_is_below_a_path(path):
    """Without a base path links begin at the root, and the prefix of another is no page."""
    async with served_application(path, public_url=DIRECT) as app:
        await fill(app.store)
        for page in PAGES:
            answer = await app.get(page, headers={"accept": "text/html"})
            assert {each for each in links(answer.text) if each.startswith(("//", BASE))} == set()
        assert (await app.get(BASE + "/accounts")).status_code == 404


@pytest.mark.parametrize("target", [BASE, BASE + "/", "/"])
async def test_the_path_itself_is_the_page_of_the_jobs(app, target):
    """With a slash at its end, without one, and stripped to nothing, the path shows the jobs."""
    answer = await app.get(target)
    assert (answer.status_code, "<h1>Jobs</h1>" in answer.text) == (200, True)


@pytest.mark.parametrize(
    "target", [BASE + "x/accounts", BASE + BASE + "/accounts", BASE.upper() + "/accounts", "/%6fps/batch-tracker/"]
)
async def test_no_other_path_is_taken_for_it(app, target):
    """A path that only begins alike, stands twice or is written otherwise is not stripped."""
    assert (await app.get(target)).status_code == 404


async def test_redirects_and_the_cookie_are_below_the_path(path):
    """The login leads below the path and back, its cookie is sent there alone and over https alone, and so is its end."""
    async with served_application(path, token=TOKEN, public_url=PUBLIC_URL) as app:
        led = await app.get(BASE + "/events?type=batch.*", headers={"accept": "text/html"})
        assert led.headers["location"] == f"{BASE}/login?next=/events%3Ftype%3Dbatch.%2A"
        page = (await app.get(led.headers["location"])).text
        assert 'name="next" value="/events?type=batch.*"' in page
        answer = await app.post(BASE + "/login", data={"token": TOKEN, "next": "/events?type=batch.*"})
        assert (answer.status_code, answer.headers["location"]) == (303, BASE + "/events?type=batch.*")
        session, *attributes = answer.headers["set-cookie"].split("; ")
        assert {f"Path={BASE}", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age=3600"} == {*attributes}
        app.client.cookies.clear()
        own = {"cookie": session, "sec-fetch-site": "same-origin"}
        done = await app.post(BASE + "/receivers/pipeline/enable", headers=own, data={"nothing": ""})
        assert (done.status_code, done.headers["location"]) == (303, BASE + "/receivers?enabled=")
        out = await app.post(BASE + "/logout", headers=own)
        assert (out.headers["location"], f"Path={BASE}; Max-Age=0" in out.headers["set-cookie"]) == (BASE + "/login", True)


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://ops.example.com", 200), ("http://ops.example.com", 403), ("https://ops.example.com:444", 403)],
)
async def test_a_proxy_that_changes_the_host_does_not_make_its_own_pages_foreign(app, origin, status):
    """What the pages of `external_url` send is ours, though the proxy passes on another Host; another origin is not."""
    answer = await app.post("/api/replay", headers=RIGHT | {"origin": origin}, json={"receiver": "pipeline", "dead": True})
    assert answer.status_code == status


async def test_the_api_says_where_it_is(app):
    """The OpenAPI document names the path as its server, so that what is made of it asks below it."""
    address = f"https://ops.example.com{BASE}/api/openapi.json"
    document = (await app.get(BASE + "/api/openapi.json")).json()
    (server,) = document["servers"]
    assert urlsplit(urljoin(address, server["url"])).path == BASE
    assert (await app.get(server["url"] + "/api/jobs", headers={"authorization": f"Bearer {CONTROL}"})).status_code == 200
