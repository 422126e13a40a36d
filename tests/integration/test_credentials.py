"""Secrets in files that are replaced while they are in use: read again once they are refused, and not before."""

import math

import anyio
import msgspec
import pytest
from loopback import answer, head_of, loopback, sends
from structlog.testing import capture_logs

from tracker.config.secrets.credentials import Credentials
from tracker.config.secrets.secret import Secret
from tracker.config.toml.toml_table import InvalidValue
from tracker.core.deliveries.delivery import Delivery
from tracker.core.errors.provider_failure import Reason
from tracker.core.events.event import plain_event
from tracker.core.jobs.job import Page
from tracker.core.ports.provider import ListQuery
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.notifier_factory import open_notifier
from tracker.daemon.factories.provider_factory import open_provider
from tracker.daemon.load_configuration import load
from tracker.http.client import tls_context

OLD, NEW = "canary-old-3141", "canary-new-2718"
EMPTY = answer(b'{"data": [], "total": 0}')
ABOUT = {"receiver": "x", "reason": "network", "detail": "late", "since": "2026-11-28T12:00:00.000Z"}
EVENT = plain_event("receiver.failing", "", ABOUT, 1_795_500_000_000)
BODY = msgspec.json.encode(EVENT).decode()
DELIVERY = Delivery(receiver="r", seq=1, event_id="evt_1", type="receiver.failing", stream="s", attempts=0, body=BODY)


@pytest.fixture
def file(tmp_path):
    """A file that holds the old secret."""
    file = tmp_path / "secret"
    file.write_text(OLD)
    return file


@pytest.fixture
def learned():
    return []


@pytest.fixture
def network(learned):
    return Network(tls_context(), learned=learned.extend)


def held(file, learned):
    """Credentials of one key in a file, as a configuration has it."""

    def read():
        try:
            text = file.read_text()
        except OSError as error:
            raise InvalidValue(f"the file cannot be read: {error.strerror}") from None
        if not text:
            raise InvalidValue("the file is empty, expected a secret in it")
        return Secret(text, str(file), read)

    return Credentials({"api_key": read()}, owner={"account": "a"}, learned=learned.extend)


def at_once(credentials):
    """No look at the files has just been made."""
    credentials._next_read = -math.inf
    return credentials


async def test_replaced_file_is_read(file, learned):
    """The new secret is used and redacted from then on, and the log says that it was reloaded, without it."""
    credentials = held(file, learned)
    file.write_text(NEW)
    with capture_logs() as lines:
        assert await credentials.renewed(0)
    assert (credentials["api_key"], credentials.generation, learned) == (NEW, 1, [NEW])
    assert lines == [{"event": "credential.reloaded", "log_level": "info", "account": "a", "keys": ["api_key"]}]
    assert set(credentials.secrets()) == {OLD, NEW}


async def test_same_content_is_nothing_new(file, learned):
    """A key that is refused although the file still holds it stays refused."""
    assert not await held(file, learned).renewed(0)
    assert learned == []


async def test_files_are_looked_at_now_and_then(file, learned):
    """After a look the next one waits for its time, whatever the file holds by then; a key that is wrong costs no more."""
    credentials = held(file, learned)
    assert not await credentials.renewed(0)
    file.write_text(NEW)
    assert not await credentials.renewed(0)
    assert await at_once(credentials).renewed(0)


async def test_many_who_are_refused_look_once(file, learned):
    """All who were refused with the old key try the new one, after one look together."""
    credentials, answers = held(file, learned), []
    file.write_text(NEW)

    async def ask():
        answers.append(await credentials.renewed(0))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask)
    assert (answers, credentials.generation) == ([True] * 5, 1)


@pytest.mark.parametrize("spoil", [lambda file: file.write_text(""), lambda file: file.unlink()], ids=["empty", "missing"])
async def test_file_that_cannot_be_read_changes_nothing(file, learned, spoil):
    """The key of before stays, which is said once; once the file is whole again it is taken."""
    credentials = held(file, learned)
    spoil(file)
    with capture_logs() as lines:
        for _ in range(3):
            assert not await at_once(credentials).renewed(0)
    assert [(line["event"], line["key"]) for line in lines] == [("credential.unreadable", "api_key")]
    assert credentials["api_key"] == OLD
    file.write_text(NEW)
    assert await at_once(credentials).renewed(0)


def taking(authorized):
    """A server that answers 401 to a request without this in its head, and records what came."""

    async def scene(stream):
        good = authorized.encode() in scene.server.requests[-1]
        await stream.send(EMPTY if good else answer(b"wrong " + scene.server.requests[-1], 401))
        return True

    return scene


class NoJobMessages:
    """No job has a card yet."""

    async def get(self, _receiver, _stream):
        return None

    async def put(self, _receiver, _stream, _card):
        pass


def configured(tmp_path, text, **environ):
    (tmp_path / "tracker.toml").write_text(text)
    environ = {"HOME": "/nowhere", "MISTRAL_API_KEY": "canary-key-1", "CREDENTIALS_DIRECTORY": str(tmp_path)} | environ
    return load(str(tmp_path / "tracker.toml"), environ)


@pytest.mark.parametrize("reference", ['{ file = "%s" }', '{ credential = "secret" }'], ids=["file", "credential"])
async def test_account_asks_with_the_new_key(tmp_path, file, network, learned, reference):
    """The call that is refused with the old key is answered with the new one; no failure shows either."""
    reference = reference.replace("%s", str(file))
    scene = taking(NEW)
    async with loopback(scene) as scene.server:
        text = f'[[accounts]]\nname = "a"\napi_key = {reference}\nbase_url = "{scene.server.url}"\n'
        async with open_provider(configured(tmp_path, text).accounts[0], network) as provider:
            refused = await provider.list_jobs(ListQuery(), None, 1)
            assert refused.reason is Reason.UNAUTHORISED
            assert OLD not in refused.detail
            file.write_text(NEW)
            at_once(provider._requests._credentials)
            assert isinstance(await provider.list_jobs(ListQuery(), None, 1), Page)
        keys = [dict(head_of(request)[1])["authorization"] for request in scene.server.requests]
    assert keys == [f"Bearer {OLD}", f"Bearer {OLD}", f"Bearer {NEW}"]
    assert learned == [NEW]


@pytest.mark.slow
@pytest.mark.parametrize(
    "receiver",
    [
        'kind = "webhook"\nurl = {{ file = "{file}" }}',
        'kind = "slack"\nurl = {{ file = "{file}" }}',
        'kind = "webhook"\nurl = "{url}/hook"\nheaders = {{ "X-Key" = {{ file = "{file}" }} }}',
    ],
    ids=["URL of a webhook", "URL of Slack", "header"],
)
async def test_receiver_is_sent_to_with_the_new_secret(tmp_path, file, network, receiver):
    """A delivery that is refused is tried again at once where the URL or a header has been replaced in its file."""
    scene = taking(NEW)
    async with loopback(scene) as scene.server:
        prefix = f"{scene.server.url}/hooks/" if "url = {{ file" in receiver else ""
        file.write_text(prefix + OLD)
        text = f'[[receivers]]\nname = "r"\n{receiver.format(file=file, url=scene.server.url)}\n'
        async with open_notifier(configured(tmp_path, text).receivers[0], network, NoJobMessages()) as notifier:
            refused = await notifier.send([DELIVERY])
            assert (refused.status, OLD in refused.answer) == (401, False)
            file.write_text(prefix + NEW)
            at_once(notifier._notifier._credentials)
            assert (await notifier.send([DELIVERY])).delivered
            assert (await notifier.send([DELIVERY])).delivered
    assert [NEW.encode() in request for request in scene.server.requests] == [False, False, True, True]


async def test_bot_posts_with_the_new_token(tmp_path, file, network):
    """Slack refuses a token with 200 and `invalid_auth`; the bot takes the one that its file holds by then."""
    bad, good = b'{"ok": false, "error": "invalid_auth"}', b'{"ok": true, "ts": "1.5", "channel": "C1"}'
    async with loopback(sends(answer(bad)), sends(answer(good))) as server:
        slack = f'kind = "slack"\ntoken = {{ file = "{file}" }}\nchannel = "#c"\napi = "{server.url}"\n'
        text = f'[[receivers]]\nname = "r"\n{slack}'
        async with open_notifier(configured(tmp_path, text).receivers[0], network, NoJobMessages()) as notifier:
            file.write_text(NEW)
            assert (await notifier.send([DELIVERY])).delivered
        keys = [dict(head_of(request)[1])["authorization"] for request in server.requests]
    assert keys == [f"Bearer {OLD}", f"Bearer {NEW}"]
