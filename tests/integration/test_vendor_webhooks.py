"""A vendor's webhook to /hooks/ACCOUNT: what is accepted, and that an attacker gets nothing by it but an answer."""

import json
import re
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime

import anyio
import msgspec
import pytest
from prometheus_client import generate_latest
from standardwebhooks import Webhook
from structlog.testing import capture_logs
from web_application import TOKEN, served_application

from tracker.config import Secret
from tracker.core.deliveries.signature_verification import TOLERANCE
from tracker.core.deliveries.signing import SigningKey
from tracker.polling.hint_queue import HintQueue
from tracker.web.endpoints.request_parsing import BODY_LIMIT

SECRET, OTHER = ("whsec_" + b64encode(bytes([each]) * 32).decode() for each in (1, 2))
RESULTS = re.compile(r'batchtracker_hints_total\{account="one",result="([a-z]+)"\} ([0-9.]+)')


def configure(app, *secrets):
    """Give the account `one` these secrets, and `two` none; nothing was received until now."""
    config = app.supervisor.config
    one = msgspec.structs.replace(config.accounts[0], webhook_secrets=tuple(map(Secret, secrets)))
    app.supervisor.config = msgspec.structs.replace(config, accounts=(one, *config.accounts[1:]))
    for accounts in ((), ("one",)):
        app.supervisor.webhook_metrics.configured(accounts)
    app.hints = app.supervisor.hints["one"] = HintQueue()
    app.daemon.hints._messages.clear()
    return app


@pytest.fixture(scope="module")
async def served(tmp_path_factory):
    async with served_application(tmp_path_factory.mktemp("hooks") / "tracker.db", token=TOKEN) as app:
        yield app


@pytest.fixture
def app(served):
    return configure(served, SECRET)


def counted(app):
    """How often there was which result, where there was any."""
    found = RESULTS.findall(generate_latest(app.supervisor.webhook_metrics).decode())
    return {result: int(float(number)) for result, number in found if float(number)}


def message(app, body=None, *, secret=SECRET, late=0, message_id="msg_1", job="batch_1"):
    """The body and the headers of a message, signed by the official library `late` seconds ago."""
    body = json.dumps({"type": "batch.completed", "data": {"id": job}}) if body is None else body
    at = app.daemon.now() // 1000 - late
    signature = Webhook(secret).sign(message_id, datetime.fromtimestamp(at, UTC), body)
    return {
        "content": body.encode(),
        "headers": {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signature},
    }


async def test_signed_message_is_a_hint(app):
    """The job that it names is polled at once, and the answer says nothing."""
    answer = await app.post("/hooks/one", **message(app))
    assert (answer.status_code, answer.content) == (204, b"")
    assert app.hints.take_due(10) == ["batch_1"]
    assert counted(app) == {"accepted": 1}


async def test_what_is_accepted_openai_accepts_too(app):
    """The official SDK of OpenAI reads what is sent here as the event that it is."""
    import openai  # noqa: PLC0415 - long to load, and each worker collects all tests

    body = json.dumps({"id": "evt_1", "object": "event", "created_at": 1, "type": "batch.completed", "data": {"id": "batch_9"}})
    sent = message(app, body)
    event = openai.OpenAI(api_key="none").webhooks.unwrap(body, sent["headers"], secret=SECRET)
    await app.post("/hooks/one", **sent)
    assert app.hints.take_due(10) == [event.data.id]


async def test_two_secrets(app):
    """While one secret replaces another, both sign; a reload of the configuration is enough for either."""
    for secrets, statuses in (((OTHER, SECRET), [204, 204]), ((OTHER,), [401, 204])):
        configure(app, *secrets)
        answers = [await app.post("/hooks/one", **message(app, secret=secret)) for secret in (SECRET, OTHER)]
        assert [each.status_code for each in answers] == statuses


FORGERIES = {
    "another secret": lambda app: message(app, secret=OTHER),
    "too old": lambda app: message(app, late=TOLERANCE + 2),
    "from the future": lambda app: message(app, late=-TOLERANCE - 2),
    "another body": lambda app: message(app) | {"content": b'{"type":"batch.completed","data":{"id":"batch_2"}}'},
    "another time": lambda app: message(app) | {"headers": message(app)["headers"] | {"webhook-timestamp": "1"}},
    "another id": lambda app: message(app) | {"headers": message(app)["headers"] | {"webhook-id": "msg_2"}},
    "no headers": lambda app: message(app) | {"headers": {}},
    "our token": lambda app: message(app) | {"headers": {"authorization": f"Bearer {TOKEN}"}},
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
async def test_forgeries_are_refused(app, forged):
    """401, a count and a line that throttling keeps to one in ten minutes; no hint."""
    with capture_logs() as lines:
        answer = await app.post("/hooks/one", **forged(app))
    assert answer.status_code == 401
    assert app.hints.take_due(10) == []
    assert counted(app) == {"refused": 1}
    ((level, event, account),) = [(line["log_level"], line["event"], line["account"]) for line in lines]
    assert (level, event, account) == ("warning", "hint.refused", "one")


async def test_unknown_accounts_and_those_without_a_secret_are_answered_alike(app):
    """The answer does not show which accounts there are, and such requests are neither logged nor counted."""
    with capture_logs() as lines:
        answers = [await app.post(f"/hooks/{name}", **message(app)) for name in ("two", "unknown", "%2e%2e", "\N{BULLET}")]
    assert len({(each.status_code, each.content) for each in answers if each.url.path.startswith("/hooks/")}) == 1
    assert {each.status_code for each in answers} == {404}
    assert (lines, counted(app)) == ([], {})


@pytest.mark.parametrize(
    "path", ["/hooks", "/hooks/", "/hooks/one/", "/hooks/one/x", "/hooks/one%2f..%2f..%2fapi%2freplay", "//hooks/one"]
)
async def test_nothing_else_is_reachable_without_a_token(app, path):
    """A path that only begins like a hook's needs the token as any other."""
    assert (await app.post(f"{app.client.base_url}{path}", **message(app))).status_code == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
async def test_other_methods_need_the_token(app, method):
    """Only what is signed is let through."""
    assert (await app.client.request(method, "/hooks/one")).status_code == 401


async def test_a_hook_needs_no_host_of_ours(app):
    """It comes from the vendor by whatever name that knows us by."""
    sent = message(app)
    assert (
        await app.post("/hooks/one", content=sent["content"], headers=sent["headers"] | {"host": "public.example"})
    ).status_code == 204
    assert (await app.get("/api/jobs", headers={"host": "public.example"})).status_code == 421


IGNORED = {
    "another type": {"type": "response.completed", "data": {"id": "resp_1"}},
    "no data": {"type": "batch.completed"},
    "no id": {"type": "batch.completed", "data": {}},
    "id of another type": {"type": "batch.completed", "data": {"id": 7}},
    "a list": [],
    "type of another type": {"type": 7, "data": {"id": "batch_1"}},
    **{
        f"id {job!r}": {"type": "batch.completed", "data": {"id": job}}
        for job in (
            "",
            ".",
            "..",
            "../files/x",
            "a/../b",
            "a/..",
            "a/.b",
            "a/b/c",
            "/a",
            "a/",
            "a?b",
            "a#b",
            "a b",
            "a%2e",
            "ä",
            "a\n",
            "x" * 201,
            "\x00",
        )
    },
}


@pytest.mark.parametrize(
    "body", [*map(json.dumps, IGNORED.values()), "", "no JSON", "[" * 5000], ids=[*IGNORED, "empty", "text", "deep"]
)
async def test_what_is_about_no_job_is_ignored(app, body):
    """It is signed, so it is accepted: the vendor need not send it again. No id leads to another path of the API."""
    answer = await app.post("/hooks/one", **message(app, body))
    assert (answer.status_code, app.hints.take_due(10), counted(app)) == (204, [], {"ignored": 1})


@pytest.mark.parametrize("job", ["batch_1", "batches/abc-1", "0b1f4e1c-1111-4000-8000-000000000000", "a.b", "x" * 200])
async def test_ids_of_all_vendors_are_taken(app, job):
    """With a slash too, as Gemini's names have."""
    await app.post("/hooks/one", **message(app, job=job))
    assert app.hints.take_due(10) == [job]


async def test_a_replay_is_no_hint(app):
    """The same message again is accepted, and nothing is polled."""
    sent = message(app)
    for _ in range(50):
        assert (await app.post("/hooks/one", **sent)).status_code == 204
        app.hints.take_due(10)
    assert counted(app) == {"accepted": 1, "repeated": 49}


async def test_what_a_vendor_sends_again_is_accepted(app):
    """Its next attempt has another time and the same id."""
    for late in (200, 100, 0):
        assert (await app.post("/hooks/one", **message(app, late=late))).status_code == 204
    assert counted(app) == {"accepted": 1, "repeated": 2}


class Counting:
    """Counts the signatures that are computed."""

    def __init__(self, monkeypatch):
        self.signatures, sign = 0, SigningKey.sign

        def counted(key, content):
            self.signatures += 1
            return sign(key, content)

        monkeypatch.setattr(SigningKey, "sign", counted)


async def test_a_flood_of_forgeries_costs_a_signature_each(app, monkeypatch):
    """A real hint among them arrives, whatever they are, and the log has nothing of each but a throttled line."""
    counting = Counting(monkeypatch)
    forged, old = message(app, secret=OTHER), message(app, late=TOLERANCE + 60)
    forged["headers"]["webhook-signature"] = " ".join(["v1," + "A" * 43 + "="] * 200)
    real = message(app, job="real")

    async def flood(sent):
        for _ in range(30):
            assert (await app.post("/hooks/one", **sent)).status_code == 401

    async with anyio.create_task_group() as group:
        for sent in (forged, old, message(app) | {"headers": {}}):
            group.start_soon(flood, sent)
        assert (await app.post("/hooks/one", **real)).status_code == 204
    assert app.hints.take_due(10) == ["real"]
    assert counted(app) == {"accepted": 1, "refused": 90}
    assert counting.signatures == 31


async def chunks(number, size=4096):
    for _ in range(number):
        yield b"x" * size


async def test_large_bodies_are_not_read(app, monkeypatch):
    """64 KiB are the most, said or not; nothing is computed of a body that is larger."""
    counting = Counting(monkeypatch)
    headers = message(app)["headers"]
    assert (await app.post("/hooks/one", content=b"x" * BODY_LIMIT, headers=headers)).status_code == 401
    assert counting.signatures == 1
    assert (await app.post("/hooks/one", content=b"x" * (BODY_LIMIT + 1), headers=headers)).status_code == 413
    assert (await app.post("/hooks/one", content=chunks(20), headers=headers)).status_code == 413
    assert counting.signatures == 1


async def sent_until_cut_off(app, head, part):
    """How many bytes of a body in endless parts are sent before the server closes the connection."""
    sent = 0
    async with await anyio.connect_tcp(app.client.base_url.host, app.client.base_url.port) as stream:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await stream.send(head)
            while True:
                await stream.send(part)
                sent += len(part)
    return sent


@pytest.mark.parametrize("account", ["one", "unknown"])
async def test_a_body_without_an_end_is_cut_off(app, account):
    """A sender of an endless body is disconnected after part of it, also where the answer came before the body."""
    signature = "".join(f"{name}: {value}\r\n" for name, value in message(app)["headers"].items())
    head = f"POST /hooks/{account} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n{signature}\r\n".encode()
    with anyio.fail_after(20):
        sent = await sent_until_cut_off(app, head, b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
    assert sent < 16 * 1024 * 1024
    assert (await app.post("/hooks/one", **message(app))).status_code == 204


async def test_signed_messages_in_a_flood_are_one_early_sweep(app):
    """Someone with the secret, too: ever new jobs are as many polls as fit, and then a sweep."""
    for number in range(40):
        sent = message(app, job=f"job {number}".replace(" ", "-"), message_id=f"msg_{number}")
        assert (await app.post("/hooks/one", **sent)).status_code == 204
    assert counted(app) == {"accepted": 10, "overflow": 30}
    assert app.hints.wants_sweep


async def test_no_secret_is_shown(app):
    """Neither by an answer nor by a line."""
    with capture_logs() as lines:
        answers = [await app.post("/hooks/one", **forged(app)) for forged in FORGERIES.values()]
    shown = repr(lines) + "".join(each.text for each in answers)
    assert SECRET not in shown
    assert SECRET.removeprefix("whsec_") not in shown
