"""Who may ask what of http.listen: hosts, tokens, sessions, and where a request comes from."""

import itertools
from secrets import token_urlsafe
from types import SimpleNamespace

import anyio
import pytest
from web_application import CONTROL, RIGHT, TOKEN, served_application

from tracker.web.access.login_throttle import BURST, LoginThrottle
from tracker.web.access.session_cookie import LIFETIME
from tracker.web.access.signed_sessions import SignedSessions
from tracker.web.api.health import StoreProbe

READ = ("/", "/metrics", "/api/jobs", "/api/events", "/api/openapi.json", "/nothing")
WRITE = "/api/replay"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there
DEAD = {"receiver": "pipeline", "dead": True}


@pytest.fixture(scope="module")
async def app(tmp_path_factory):
    """One that has a token, for all who get it right."""
    async with served_application(tmp_path_factory.mktemp("access") / "tracker.db", token=TOKEN) as app:
        yield app


def bearer(token):
    return {"authorization": f"Bearer {token}"}


async def logged_in(app, token=TOKEN):
    """The cookie of a new session, as a browser would send it."""
    answer = await app.post("/login", data={"token": token})
    assert answer.status_code == 303
    app.client.cookies.clear()
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


async def test_a_token_is_asked_for_everywhere_but_by_probes(path):
    """With a token, a request with none or a wrong one is refused, whatever it asks for, and the answer says how.

    Probes are answered.
    """
    wrong = [{}, bearer("wrong"), {"authorization": TOKEN}, bearer(TOKEN + "2"), {"authorization": f"Basic {TOKEN}"}]
    wrong += [{"authorization": "Bearer naïve".encode("latin-1")}, {"cookie": f"batch_tracker_session={TOKEN}"}]
    async with served_application(path, token=TOKEN) as app:
        for headers, url in zip(wrong, itertools.cycle(READ)):
            answer = await app.get(url, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.json()["title"] == "Unauthorized"
            assert TOKEN not in answer.text
            assert (await app.get("/healthz", headers=headers)).status_code == 200
        for url in READ:
            assert (await app.get(url)).status_code == 401


@pytest.mark.parametrize("token", [TOKEN, CONTROL])
async def test_either_token_opens_everything(app, token):
    """The token of the configuration and that of the command line both read and write."""
    for url in READ:
        assert (await app.get(url, headers=bearer(token))).status_code in (200, 404, 503)
    assert (await app.post(WRITE, headers=bearer(token), json=DEAD)).status_code == 200


async def test_without_a_token_reading_is_open_and_writing_is_not(path):
    """On loopback every client may read; a write needs the control token, even at a path without a route."""
    asked = [("POST", WRITE), ("DELETE", "/api/jobs"), ("POST", "/nothing"), ("TRACE", "/")]
    async with served_application(path) as app:
        for headers in ({}, bearer(TOKEN), {"cookie": "batch_tracker_session=x"}):
            assert (await app.get("/api/jobs", headers=headers)).status_code == 200
            for method, url in asked:
                answer = await app.client.request(method, url, headers=headers, content=b"{" * 10)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert app.supervisor.aside == []


OTHERS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:9471",
    "localhost@evil.example",
    "169.254.169.254",
    "",
]


@pytest.mark.parametrize(
    ("access", "ours", "others"),
    [
        ({}, ["localhost", "LOCALHOST:9471", "127.0.0.1:1", "[::1]:9471"], OTHERS),
        (
            {"hosts": ("tracker.example.com",)},
            ["Tracker.Example.com:443", "localhost"],
            ["example.com", "x.tracker.example.com"],
        ),
        ({"listen": ("192.0.2.7",)}, ["192.0.2.7:9471"], ["192.0.2.8:9471"]),
        ({"listen": ("192.0.2.9", EVERYWHERE)}, ["192.0.2.8:9471", "[2001:db8::1]:9471"], ["evil.example", "[evil.example]"]),
    ],
)
async def test_hosts(path, access, ours, others):
    """What was sent to another name is refused before anything else: a page whose name was turned to us reads nothing."""
    async with served_application(path, **access) as app:
        for host in ours:
            assert (await app.get("/api/jobs", headers={"host": host})).status_code == 200
        for host, url in itertools.product(others, ("/metrics", "/api/jobs", "/login", "/static/x")):
            answer = await app.get(url, headers={"host": host})
            assert (answer.status_code, answer.headers["content-type"]) == (421, "application/problem+json")


@pytest.mark.parametrize(
    "hosts", [b"", b"host: localhost\r\nhost: localhost\r\n", b"host: localhost\r\nHost: evil.example\r\n"]
)
async def test_just_one_host(app, hosts):
    """No Host, or two, leave open which is meant: 400."""
    said = await raw(app, b"GET /healthz HTTP/1.1\r\n" + hosts + b"connection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400 ")


async def raw(app, request):
    """The whole answer to bytes that no client would send."""
    url, said = app.client.base_url, b""
    async with await anyio.connect_tcp(url.host, url.port) as stream:
        await stream.send(request)
        with anyio.fail_after(30):
            while True:
                try:
                    said += await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return said


@pytest.mark.parametrize(
    "target",
    [
        "/static/../api/jobs",
        "/static/%2e%2e/api/jobs",
        "/static/..%2fapi/jobs",
        "/static/%2e%2e%2f%2e%2e%2fapp.py",
        "/healthz/../api/jobs",
        "//healthz",
        "/healthz/",
        "/healthz%00",
        "/healthz;/api/jobs",
        "/HEALTHZ",
        "/static//etc/passwd",
        "/static/%00",
        "/login/../metrics",
        "/./metrics",
        "http://localhost/metrics",
        "//localhost/metrics",
    ],
)
async def test_paths_play_no_tricks(app, target):
    """A path that only looks like an open one opens nothing, and none leads to a file."""
    head = f"GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n".encode()
    assert (await raw(app, head + b"\r\n"))[9:12] in (b"401", b"404")
    said = await raw(app, head + b"authorization: " + RIGHT["authorization"].encode() + b"\r\n\r\n")
    absolute = target.startswith("http:")  # the same as its path
    assert said[9:12] == (b"200" if absolute else b"404")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "{own}", "sec-fetch-site": "cross-site"},
    ],
)
async def test_another_sites_page_changes_nothing(app, headers):
    """Whatever token or cookie it brings, what a browser says comes from another origin is refused; logging in and out too."""
    own, before = str(app.client.base_url).rstrip("/"), [*app.supervisor.aside]
    headers = {name: value.format(own=own) for name, value in headers.items()}
    for credentials in ({}, RIGHT, await logged_in(app)):
        for url in (WRITE, "/login", "/logout"):
            answer = await app.post(url, headers=credentials | headers, json=DEAD)
            assert (answer.status_code, answer.json()["detail"]) == (403, "another site's page sent this")
    assert app.supervisor.aside == before
    assert (await app.post(WRITE, headers=RIGHT | {"origin": own, "sec-fetch-site": "same-origin"}, json=DEAD)).is_success


async def test_a_session(path):
    """A token buys a cookie that no script sees and that is not the token; it reads, and writes for pages of ours alone."""
    async with served_application(path, token=TOKEN) as app:
        answer = await app.post("/login", data={"token": f" {TOKEN} ", "next": "/jobs/x?account=one"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/x?account=one")
        name, *attributes = answer.headers["set-cookie"].split("; ")
        assert name.startswith("batch_tracker_session=")
        assert TOKEN not in name
        assert {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={LIFETIME}"} == {*attributes}
        app.client.cookies.clear()
        session, own = {"cookie": name}, {"origin": str(app.client.base_url).rstrip("/")}
        assert (await app.get("/api/jobs", headers=session)).status_code == 200
        assert (await app.post(WRITE, headers=session, json=DEAD)).status_code == 401, "it may come from anywhere"
        assert (await app.post(WRITE, headers=session | {"sec-fetch-site": "none"}, json=DEAD)).status_code == 401
        assert (await app.post(WRITE, headers=session | own, json=DEAD)).status_code == 200
        assert (await app.post(WRITE, headers=session | {"sec-fetch-site": "same-origin"}, json=DEAD)).status_code == 200
        assert (await app.get("/api/jobs", headers={"cookie": name[:-1]})).status_code == 401
        out = await app.post("/logout", headers=session | own)
        assert (out.status_code, "Max-Age=0" in out.headers["set-cookie"]) == (303, True)
        assert (await app.get("/api/jobs", headers=session)).status_code == 401


async def test_a_session_ends(path):
    """After one hour the cookie opens nothing any more."""
    clock = [0.0]
    async with served_application(path, token=TOKEN, now=lambda: clock[0]) as app:
        session = await logged_in(app)
        clock[0] = LIFETIME - 1
        assert (await app.get("/api/jobs", headers=session)).status_code == 200
        clock[0] = LIFETIME
        assert (await app.get("/api/jobs", headers=session)).status_code == 401


@pytest.mark.parametrize(
    ("next_", "leads"),
    [
        ("/receivers?a=b", "/receivers?a=b"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: x=y", "/"),
        ("", "/"),
    ],
)
async def test_login_leads_nowhere_else(path, next_, leads):
    """Whatever a link to the login says, it goes on within this server."""
    async with served_application(path) as app:
        answer = await app.post("/login", data={"token": CONTROL, "next": next_})
        assert answer.headers["location"] == leads
        page = (await app.get("/login", params={"next": next_ + '"><script>alert(1)</script>'})).text
        assert "<script>alert(1)" not in page


async def test_a_browser_is_led_to_the_login(path):
    """A person gets the login, and from there where he wanted to go; a program a problem."""
    async with served_application(path, token=TOKEN) as app:
        for url in ("/", "/jobs/x%2Fy?account=one"):
            answer = await app.get(url, headers={"accept": "text/html,*/*"})
            assert (answer.status_code, answer.headers["location"]) == (
                303,
                f"/login?next={url.replace('%', '%25').replace('?', '%3F').replace('=', '%3D')}",
            )
        page = await app.post("/login", data={"token": "wrong"}, headers={"accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
        assert "not the token" in page.text
        assert (await app.post("/login", data={"token": "wrong"})).headers["content-type"] == "application/problem+json"
        assert (await app.post("/login", json={"token": TOKEN})).status_code == 415
        assert (await app.post("/login", data={"token": "x" * 70_000})).status_code == 413


async def answers(app, way, token):
    if way == "form":
        return await app.post("/login", data={"token": token})
    return await app.get("/api/jobs", headers=bearer(token))


@pytest.mark.parametrize("way", ["header", "form"])
async def test_wrong_tokens_do_not_lock_out_the_right_one(path, way):
    """After some wrong tokens an address is asked to wait with further ones; either right token passes all the same."""
    async with served_application(path, token=TOKEN) as app:
        wrong = [(await answers(app, way, f"guess-{number}")).status_code for number in range(BURST)]
        assert wrong == [401] * BURST
        answer = await answers(app, way, "guess")
        assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
        assert 1 <= int(answer.headers["retry-after"]) <= 7
        for token in (TOKEN, CONTROL) * BURST:
            assert (await answers(app, way, token)).status_code in (200, 303)
        app.client.cookies.clear()
        assert (await answers(app, way, "guess")).status_code == 429, "the right ones do not give attempts back"


@pytest.mark.parametrize("access", [{"token": TOKEN}, {}], ids=["with a token", "on loopback without one"])
async def test_a_wrong_token_is_counted_under_any_host(path, access):
    """Another Host is no way to try tokens without being counted: the answer is 401, then 429, not the 421 of no token."""
    other = {"host": "tracker.monitoring.svc"}
    async with served_application(path, **access) as app:
        assert (await app.get("/api/jobs", headers=other)).status_code == 421
        for number in range(BURST):
            assert (await app.get("/api/jobs", headers=other | bearer(f"guess-{number}"))).status_code == 401
        assert (await app.get("/api/jobs", headers=other | bearer("guess"))).status_code == 429
        assert (await app.get("/api/jobs", headers=other | bearer(CONTROL))).status_code == 200


@pytest.mark.parametrize("host", ["10.1.2.3:9471", "tracker.monitoring.svc:9471", "evil.example"])
async def test_the_right_token_is_not_asked_for_its_host(app, host):
    """What is scraped by the name of a service is given its metrics, pages and all, as long as its token is right."""
    for url in (*READ, "/readyz"):
        answer = await app.get(url, headers=bearer(TOKEN) | {"host": host})
        assert answer.status_code in (200, 404, 503)
    assert (await app.post(WRITE, headers=bearer(CONTROL) | {"host": host}, json=DEAD)).status_code == 200
    assert (await app.get("/metrics", headers={"host": host} | await logged_in(app))).status_code == 421


@pytest.mark.parametrize("headers", [{}, {"host": "10.1.2.3:9471"}, {"host": "evil.example"}, bearer("wrong")])
@pytest.mark.parametrize("access", [{"token": TOKEN}, {}], ids=["with a token", "on loopback without one"])
async def test_probes_are_answered_for_any_client(path, access, headers):
    """/healthz and /readyz give their status under any Host, with any token; why, and of which accounts, for readers alone."""
    reads = "token" not in access and "host" not in headers
    async with served_application(path, **access) as app:
        assert (await app.get("/healthz", headers=headers)).json() == {"status": "ok"}
        answer = await app.get("/readyz", headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
        assert ({*answer.json()} == {"status", "reasons", "accounts"}) == reads
        assert (await app.get("/readyz", headers=headers | RIGHT)).json()["reasons"] != []
        for account in ("one", "two"):
            app.health.swept(account, None, 1)
        assert (await app.get("/readyz", headers=headers)).json()["status"] == "ready"
        assert (await app.client.head("/readyz", headers=headers)).status_code == 200
        assert (await app.post("/readyz", headers=headers)).status_code in (401, 405, 421)


async def test_probes_of_a_machine_that_knows_no_host(app):
    """HTTP/1.0 has no Host: a load balancer's check is answered all the same."""
    said = await raw(app, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert (await raw(app, b"GET /api/jobs HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 421 ")


async def test_probes_without_a_token_cost_few_commits(path):
    """However often strangers ask, the store is tried once in a while; an authorized reader gets its state now."""
    trials = []
    async with served_application(path) as app:

        async def probe():
            trials.append(1)
            return "full"

        trial = StoreProbe(SimpleNamespace(health=app.health, probe=probe))
        for _ in range(20):
            await trial.run(not_within=3600.0)
        assert (len(trials), app.health.storage_error) == (1, "full")
        for _ in range(5):
            await trial.run(not_within=0.0)
        assert len(trials) == 6


def test_attempts_come_back():
    """One more attempt every few seconds, all after a while; a network of IPv6 counts for one; what is kept has a limit."""
    throttle = LoginThrottle()
    for _ in range(BURST):
        assert throttle.seconds_to_wait("2001:db8::1", 0.0) == 0.0
        throttle.record_failure("2001:db8::1", 0.0)
    assert throttle.seconds_to_wait("2001:db8::2", 0.0) == 6.0
    assert throttle.seconds_to_wait("2001:db8:0:1::1", 0.0) == 0.0
    assert throttle.seconds_to_wait("2001:db8::1", 6.0) == 0.0
    throttle.record_failure("2001:db8::1", 6.0)
    assert throttle.seconds_to_wait("2001:db8::1", 6.0) == 6.0
    assert throttle.seconds_to_wait("2001:db8::1", 66.0) == 0.0
    for number in range(10_000):
        throttle.record_failure(f"10.0.{number // 256}.{number % 256}", 100.0)
    assert len(throttle._spent) == 4096


async def test_a_login_on_one_replica_is_valid_on_another(tmp_path):
    """Behind a load balancer the cookie of replica A reads and writes on B, which refuses it from another site's page."""
    shared = [SignedSessions(TOKEN, token_urlsafe, lambda: 1.75e9) for _ in "ab"]
    async with (
        served_application(tmp_path / "a.db", token=TOKEN, sessions=shared[0]) as a,
        served_application(tmp_path / "b.db", token=TOKEN, sessions=shared[1]) as b,
    ):
        session, own = await logged_in(a), {"origin": str(b.client.base_url).rstrip("/")}
        assert (await b.get("/api/jobs", headers=session)).status_code == 200
        assert (await b.post(WRITE, headers=session | own, json=DEAD)).status_code == 200
        assert (await b.post(WRITE, headers=session | {"origin": "https://evil.example"}, json=DEAD)).status_code == 403
        assert (await b.post("/logout", headers=session | own)).status_code == 303
        assert (await b.get("/api/jobs", headers=session)).status_code == 401
