"""Apprise over the protocols of its services: what really arrives, and what becomes of what does not."""

import json
import logging
import socket
import threading
from xml.etree import ElementTree as ET

import anyio
import msgspec
import pytest
import structlog
from authority import Authority
from loopback import answer, drips, head_of, loopback, resets, sends, unreachable_url
from mail_server import mail_server
from slack_events import delivery, of_account

from tracker.core.deliveries.delivery import Result
from tracker.core.events.message_text import message_text
from tracker.core.ports.notifier import AttemptCancelled
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.notifier_factory import open_notifier
from tracker.daemon.load_configuration import load
from tracker.delivery.notifiers.apprise import library
from tracker.delivery.notifiers.apprise.attempt_thread import MOST_THREADS
from tracker.delivery.notifiers.apprise.notifier import AppriseService
from tracker.delivery.notifiers.templates.message_template import MessageTemplate
from tracker.delivery.notifiers.templates.wording import Wording
from tracker.http.client import tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.runtime.heartbeat import Heartbeat

URL = "https://ops.example.com/tracker"
FAILED = delivery(4, "batch.failed", done=90)
TEXT = message_text([json.loads(FAILED.body)], URL)
OK = sends(answer(b"{}", 200, "content-type: application/json"))


def service(url, *, timeout=5.0, rate_limiter=None, **settings):
    settings = {"wording": Wording(external_url=URL), "heartbeat": Heartbeat()} | settings
    return AppriseService(url, rate_limiter=rate_limiter or RateLimiter(1000), timeout=timeout, **settings)


def at(scheme, server, rest=""):
    """The URL of a service at the stand-in's address."""
    return f"{scheme}://{server.url.removeprefix('http://')}{rest}"


def parsed(request):
    (line, headers), body = head_of(request), request.partition(b"\r\n\r\n")[2]
    return line, dict(headers), body


async def test_json_has_title_text_and_type():
    """A failed batch is a failure; the message is the plain text, with the link to its page."""
    async with loopback(OK) as server:
        assert (await service(at("json", server, "/hook")).send([FAILED])).delivered
        (request,) = server.requests
    line, _, body = parsed(request)
    sent = json.loads(body)
    assert line == "POST /hook HTTP/1.1"
    assert (sent["title"], sent["message"], sent["type"]) == (TEXT.title, TEXT.body, "failure")
    assert sent["attachments"] == []
    assert TEXT.body.endswith(f"{URL}/jobs/job-1?account=default")


async def test_xml_has_title_and_text():
    """Text from elsewhere is text in the XML."""
    async with loopback(OK) as server:
        assert (await service(at("xml", server)).send([delivery(4, "batch.completed", "<job> & co", done=100)])).delivered
        (request,) = server.requests
    elements = {each.tag.rpartition("}")[2]: each.text for each in ET.fromstring(parsed(request)[2]).iter()}  # noqa: S314 - ours
    assert elements["Subject"] == "Batch completed: all 100 requests succeeded (small)"
    assert "\nJob: <job> & co\n" in elements["Message"]
    assert elements["MessageType"] == "success"


async def test_mail_arrives():
    """A real mail server takes a mail whose subject and text are those of the event, between the addresses of the URL."""
    async with mail_server() as server:
        url = f"mailto://127.0.0.1:{server.port}?from=tracker@example.com&to=ops@example.com&format=text"
        outcome = await service(url).send([FAILED])
        assert outcome.delivered, outcome
        (mail,) = server.mails
    assert mail["subject"] == TEXT.title
    assert "tracker@example.com" in mail["from"]
    assert mail["to"] == "ops@example.com"
    assert mail.get_content().strip().replace("\r\n", "\n") == TEXT.body


async def test_gotify_by_its_own_protocol():
    """Gotify gets a message with its title, and the token in a header."""
    async with loopback(OK) as server:
        assert (await service(at("gotify", server, "/AbCdEf123456")).send([FAILED])).delivered
        (request,) = server.requests
    line, headers, body = parsed(request)
    assert line == "POST /message HTTP/1.1"
    assert headers["x-gotify-key"] == "AbCdEf123456"
    assert {key: json.loads(body)[key] for key in ("title", "message")} == {"title": TEXT.title, "message": TEXT.body}


async def test_ntfy_by_its_own_protocol():
    """A server of one's own gets topic, title and text, and no picture from another host."""
    async with loopback(OK) as server:
        assert (await service(at("ntfy", server, "/alerts")).send([FAILED])).delivered
        (request,) = server.requests
    sent = json.loads(parsed(request)[2])
    assert (sent["topic"], sent["title"], sent["message"]) == ("alerts", TEXT.title, TEXT.body)
    assert b"github" not in request
    assert "icon" not in sent


async def test_syslog_by_its_own_protocol():
    """A remote syslog server gets a datagram with what happened."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        url = f"rsyslog://127.0.0.1:{server.getsockname()[1]}/local5"
        assert (await service(url).send([FAILED])).delivered
        assert TEXT.title in (await anyio.to_thread.run_sync(server.recv, 65536)).decode()


async def test_template_has_its_own_words():
    """Its first line is the title, and the link stays. If it fails, the log says so and the standard text is sent."""
    template = MessageTemplate("{{ account }} again\n{{ 1 / job.failed_requests }} {{ lines[1] }}")
    works, fails = delivery(4, "batch.failed", done=90), delivery(5, "batch.failed", done=90)
    works = msgspec.structs.replace(works, body=works.body.replace('"failed_requests":0', '"failed_requests":2'))
    async with loopback(OK) as server:
        notifier = service(at("json", server), wording=Wording("phone", template, URL))
        with structlog.testing.capture_logs() as logged:
            assert (await notifier.send([works])).delivered
            assert logged == []
            assert (await notifier.send([fails])).delivered
        first, second = (json.loads(parsed(request)[2]) for request in server.requests)
    assert first["title"] == "default again"
    assert first["message"].splitlines() == ["0.5 Status: FAILED", TEXT.link]
    assert (second["title"], second["message"]) == (TEXT.title, TEXT.body)
    (line,) = logged
    assert line | {"log_level": "warning"} == {
        "event": "template.failed",
        "log_level": "warning",
        "receiver": "phone",
        "type": "batch.failed",
        "line": 2,
        "reason": "division by zero",
        "sent": "the standard text",
    }


async def test_burst_is_one_digest():
    """Many deliveries are one message that counts them; its type is that of the worst."""
    burst = [delivery(number, "batch.completed", f"job-{number}", 100) for number in range(50)]
    async with loopback(OK) as server:
        assert (
            await service(at("json", server)).send([*burst, delivery(60, "batch.failed", "job-x"), of_account(70)])
        ).delivered
        (request,) = server.requests
    sent = json.loads(parsed(request)[2])
    assert sent["title"] == "51 batches ended and 1 other event: 1 out of reach, 1 failed, 50 succeeded"
    assert sent["type"] == "failure"
    assert sent["message"].splitlines()[-1] == f"{URL}/"


async def test_text_is_cut_to_what_the_service_takes():
    """A message that a service would refuse for its length loses lines, and keeps its title and its link."""
    burst = [delivery(number, "batch.completed", f"job-{number}-{'x' * 60}", 100) for number in range(50)]
    async with loopback(OK) as server:
        assert (await service(at("misskey", server).replace("://", "://t0ken@")).send(burst)).delivered
        (request,) = server.requests
    text = json.loads(parsed(request)[2])["text"]
    assert 300 < len(text) <= 512
    first, *_, dots, last = text.splitlines()
    assert (first, dots, last) == ("50 batches ended: 50 succeeded", "…", f"{URL}/")


@pytest.mark.parametrize(
    ("scene", "result", "status"),
    [
        (sends(answer(b"no", 400)), Result.REFUSED, 400),
        (sends(answer(b"", 302, "location: http://127.0.0.1:1/")), Result.REDIRECTED, 302),
        (sends(answer(b"slow down", 429)), Result.RATE_LIMITED, 429),
        (sends(answer(b"down", 503)), Result.SERVER, 503),
        (resets(b""), Result.NETWORK, None),
    ],
)
async def test_what_the_service_says_is_classified(scene, result, status):
    """Each failure has the result that our retries and metrics know, and says what happened; a redirect is not followed."""
    async with loopback(scene) as server:
        outcome = await service(at("json", server)).send([FAILED])
        assert len(server.requests) == 1
    assert (outcome.result, outcome.status) == (result, status)
    assert "JSON" in outcome.detail


async def test_each_attempt_has_its_own_log():
    """Of two attempts at the same time each has the outcome of its own answer."""
    both = anyio.Event()

    def says(body, status):
        async def scene(stream):
            if len(server.requests) == 2:
                both.set()
            await both.wait()
            await stream.send(answer(body, status))
            return False

        return scene

    outcomes = []
    async with loopback(says(b"one", 400), says(b"two", 503)) as server:
        notifier = service(at("json", server))

        async def attempt():
            outcomes.append(await notifier.send([FAILED]))

        async with anyio.create_task_group() as group:
            group.start_soon(attempt)
            group.start_soon(attempt)
    found = sorted((each.result, each.status, each.answer) for each in outcomes)
    assert found == [(Result.REFUSED, 400, "one"), (Result.SERVER, 503, "two")]


async def test_unreachable_service_says_why():
    """A connection that is refused is the network's, with the reason."""
    with unreachable_url() as url:
        outcome = await service(url.replace("http", "json")).send([FAILED])
    assert outcome.result is Result.NETWORK
    assert "refused" in outcome.detail


async def test_certificate_is_checked(tmp_path, monkeypatch):
    """A server of an unknown authority gets nothing; $REQUESTS_CA_BUNDLE names the authorities to trust."""
    authority = Authority(tmp_path)
    async with loopback(OK, tls=authority.server()) as server:
        url = server.url.replace("https", "jsons")
        refused = await service(url).send([FAILED])
        assert refused.result is Result.NETWORK
        assert "certificate" in refused.detail.lower()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
        assert (await service(url).send([FAILED])).delivered


async def test_certificate_of_a_mail_server_is_checked(tmp_path, monkeypatch):
    """By the system's authorities, which $SSL_CERT_FILE may name; without a valid certificate nothing is sent."""
    authority = Authority(tmp_path)
    async with mail_server(tls=authority.server()) as server:
        url = f"mailto://localhost:{server.port}?from=a@example.com&to=b@example.com&mode=starttls"
        refused = await service(url).send([FAILED])
        assert (refused.result, server.mails) == (Result.NETWORK, [])
        assert "certificate" in refused.detail.lower()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        assert (await service(url).send([FAILED])).delivered
        assert [mail["subject"] for mail in server.mails] == [TEXT.title]


async def test_proxy_of_the_environment_is_used(monkeypatch):
    """As config/README.md says: $HTTP_PROXY holds for services, less $NO_PROXY."""
    async with loopback(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert (await service("json://service.invalid/hook").send([FAILED])).delivered
        assert head_of(proxy.requests[0])[0] == "POST http://service.invalid/hook HTTP/1.1"
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert (await service(at("json", proxy, "/direct")).send([FAILED])).delivered
        assert head_of(proxy.requests[1])[0] == "POST /direct HTTP/1.1"


async def test_no_outcome_shows_a_secret():
    """Neither user nor password, path nor token of the URL is in an outcome, though server and library quote them."""
    quoted = b"no such hook: /hooks/s3cretpath of someone:pa55word"
    async with loopback(sends(answer(quoted, 404))) as server:
        url = at("json", server, "/hooks/s3cretpath").replace("://", "://someone:pa55word@")
        outcome = await service(url).send([FAILED])
    assert outcome.answer == "no such hook: /hooks/[redacted] of [redacted]"
    assert not [secret for secret in ("s3cretpath", "someone", "pa55word") if secret in repr(outcome)]


async def test_refused_mail_says_what_the_server_said():
    """A wrong password is a refusal, a full mailbox is not; neither shows the password."""
    async with mail_server(password="right") as server:
        url = f"mailto://someone:wr0ng-pw@127.0.0.1:{server.port}?from=a@example.com&to=b@example.com"
        refused = await service(url).send([FAILED])
        assert server.mails == []
    assert refused.result is Result.REFUSED
    assert "535" in refused.detail
    assert "wr0ng-pw" not in repr(refused)
    async with mail_server(refusal="452 no space left") as server:
        full = await service(f"mailto://127.0.0.1:{server.port}?from=a@example.com&to=b@example.com").send([FAILED])
    assert full.result is Result.SERVER
    assert "no space left" in full.detail


async def test_attempt_has_a_total_time_limit():
    """A server that drips its answer, which no time limit of reading ends, costs an attempt and not the receiver."""
    async with loopback(drips(answer(b"x" * 10_000), every=0.02)) as server:
        outcome = await service(at("json", server), timeout=0.2).send([FAILED])
    assert outcome.result is Result.NETWORK
    assert outcome.detail == "not sent within 0.2 s; it may still arrive"


async def test_threads_that_hang_are_few_and_end_with_the_process():
    """Four at most go on after their time limits, and their places are free when they end; none keeps a process alive."""
    released, all_held = anyio.Event(), anyio.Event()

    async def held(stream):
        if len(server.requests) == MOST_THREADS:
            all_held.set()
        await released.wait()
        await stream.send(answer(b"{}"))
        return False

    async with loopback(held) as server:
        notifier = service(at("json", server), timeout=30.0)
        async with anyio.create_task_group() as group:
            for _ in range(MOST_THREADS):
                group.start_soon(notifier.send, [FAILED])
            await all_held.wait()
            group.cancel_scope.cancel()
        hanging = [thread for thread in threading.enumerate() if thread.name == "apprise attempt"]
        assert len(hanging) == MOST_THREADS
        assert all(thread.daemon for thread in hanging)
        notifier._timeout = 0.05
        assert (await notifier.send([FAILED])).result is Result.NETWORK
        assert len(server.requests) == MOST_THREADS
        released.set()
        notifier._timeout = 30.0
        assert (await notifier.send([FAILED])).delivered


async def test_replaced_url_in_a_file_is_used(tmp_path):
    """After a refusal the URL is read again, and from then on neither the old token nor the new one is logged."""
    learned = []
    async with loopback(sends(answer(b"", 401)), OK) as server:
        file = tmp_path / "url"
        file.write_text(at("gotify", server, "/old-t0ken"))
        (tmp_path / "tracker.toml").write_text(
            f'[[receivers]]\nname = "phone"\nkind = "apprise"\nurl = {{ file = "{file}" }}\n', "utf-8"
        )
        (receiver,) = load(str(tmp_path / "tracker.toml"), {"MISTRAL_API_KEY": "key", "HOME": str(tmp_path)}).receivers
        file.write_text(at("gotify", server, "/new-t0ken"))
        async with open_notifier(receiver, Network(tls_context(), learned=learned.extend), None, RateLimiter(1000)) as notifier:
            assert (await notifier.send([FAILED])).delivered
        tokens = [parsed(request)[1]["x-gotify-key"] for request in server.requests]
    assert tokens == ["old-t0ken", "new-t0ken"]
    assert "new-t0ken" in learned


async def test_rate_is_ours(monkeypatch):
    """Apprise's own pause before a further message, in which an attempt would run out of time, is not made."""
    monkeypatch.setattr(library.known_service("json"), "request_rate_per_sec", 60)
    async with loopback(OK) as server:
        notifier = service(at("json", server))
        assert [(await notifier.send([FAILED])).result for _ in range(2)] == [Result.DELIVERED] * 2


async def test_stopped_receiver_sends_nothing():
    """An attempt that waits for its turn ends when its worker stops, and one without the lease is not made."""
    limiter = RateLimiter(1000)
    limiter.close()

    def without_lease():
        raise PermissionError

    async with loopback(OK) as server:
        with pytest.raises(AttemptCancelled):
            await service(at("json", server), rate_limiter=limiter).send([FAILED])
        with pytest.raises(PermissionError):
            await service(at("json", server), permit=without_lease).send([FAILED])
        assert server.requests == []


async def test_library_writes_to_no_log(capfd):
    """What Apprise logs, which quotes addresses and messages, goes to no log of ours and to no terminal."""
    streamed = logging.StreamHandler()
    logging.getLogger().addHandler(streamed)
    try:
        with unreachable_url() as url:
            await service(url.replace("http", "json")).send([FAILED])
    finally:
        logging.getLogger().removeHandler(streamed)
    assert capfd.readouterr() == ("", "")
