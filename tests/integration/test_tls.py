"""Requests over TLS with an internal CA, a client certificate and headers, as a configuration asks for them."""

import shutil
import ssl

import pytest
from authority import Authority
from loopback import answer, head_of, loopback, sends

from tracker.core.deliveries.delivery import Delivery, Result
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Page
from tracker.core.ports.provider import ListQuery
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.notifier_factory import open_notifier
from tracker.daemon.factories.provider_factory import open_provider
from tracker.daemon.load_configuration import load
from tracker.http.client import tls_context
from tracker.http.tls import has_trust_store

EMPTY = answer(b'{"data": [], "total": 0}')
ENVIRON = {"HOME": "/nowhere", "KEY": "canary-key-3141", "TEAM": "canary-header-2718", "SECRET": "whsec_" + "A" * 32}
DELIVERY = Delivery(receiver="r", seq=1, event_id="evt_1", type="batch.completed", stream="s", attempts=0, body="{}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def network():
    return Network(tls_context())


@pytest.fixture
def configured(tmp_path):
    """A configuration whose account and receiver are at a URL, with these further lines."""

    def configured(url, lines):
        file = tmp_path / "tracker.toml"
        account = f'[[accounts]]\nname = "a"\napi_key = {{ env = "KEY" }}\nbase_url = "{url}"\n{lines}'
        receiver = f'[[receivers]]\nname = "r"\nkind = "webhook"\nurl = "{url}/hook"\nsecret = {{ env = "SECRET" }}\n{lines}'
        file.write_text(account + receiver)
        return load(str(file), ENVIRON)

    return configured


async def asked(config, network):
    """What the account's API gives, and what becomes of a delivery to the receiver."""
    async with open_provider(config.accounts[0], network) as provider:
        page = await provider.list_jobs(ListQuery(), None, 1)
    async with open_notifier(config.receivers[0], network, None) as notifier:
        return page, await notifier.send([DELIVERY])


async def test_internal_ca_is_trusted_by_those_who_name_it(configured, authority, network):
    """An API and a receiver with certificates of an internal CA are asked where `ca_file` names it, and not otherwise."""
    async with loopback(sends(EMPTY), tls=authority.server()) as server:
        page, outcome = await asked(configured(server.url, f'ca_file = "{authority.ca}"\n'), network)
        assert isinstance(page, Page)
        assert outcome.delivered
        page, outcome = await asked(configured(server.url, ""), network)
    assert isinstance(page, Failure)
    assert page.reason is Reason.NETWORK
    assert outcome.result is Result.NETWORK


async def test_ca_file_takes_the_place_of_the_trust_store(configured, authority, network, tmp_path):
    """Where another CA is named, the internal one is trusted no more than any other."""
    other = Authority(tmp_path, "another CA")
    async with loopback(sends(EMPTY), tls=authority.server()) as server:
        page, outcome = await asked(configured(server.url, f'ca_file = "{other.ca}"\n'), network)
    assert (page.reason, outcome.result) == (Reason.NETWORK, Result.NETWORK)


async def test_client_certificate_is_shown(configured, authority, network):
    """A server that wants a certificate of its clients gets the one that is configured; without it nothing is answered."""
    cert, key = authority.issue("a-client")
    trusting = f'ca_file = "{authority.ca}"\n'
    async with loopback(sends(EMPTY), tls=authority.server(wants_certificate=True)) as server:
        lines = f'{trusting}client_certificate = {{ cert = "{cert}", key = "{key}" }}\n'
        page, outcome = await asked(configured(server.url, lines), network)
        assert isinstance(page, Page)
        assert outcome.delivered
        page, outcome = await asked(configured(server.url, trusting), network)
    assert (page.reason, outcome.result) == (Reason.NETWORK, Result.NETWORK)


async def test_headers_are_sent_with_each_request(configured, network):
    """Text and secrets go out as headers, besides our own, which they do not touch."""
    lines = 'headers = { "X-Team" = { env = "TEAM" }, "x-plain" = "research; eu", "User-Agent" = "gateway/1" }\n'
    async with loopback(sends(EMPTY)) as server:
        page, outcome = await asked(configured(server.url, lines), network)
    assert isinstance(page, Page)
    assert outcome.delivered
    for request, ours in zip(server.requests, ("authorization", "webhook-signature"), strict=True):
        sent = dict(head_of(request)[1])
        wanted = {"x-team": ENVIRON["TEAM"], "x-plain": "research; eu", "user-agent": "gateway/1"}
        assert sent.items() >= wanted.items()
        assert ours in sent


async def test_answer_that_quotes_a_header_gives_nothing_away(configured, network):
    """Of a bad answer that repeats the headers no secret is kept, in the account's failure nor in the receiver's outcome."""

    async def scene(stream):
        await stream.send(answer(server.requests[-1], 403))
        return False

    async with loopback(scene) as server:
        page, outcome = await asked(configured(server.url, 'headers = { "x" = { env = "TEAM" } }\n'), network)
    assert "canary" not in page.detail + outcome.answer + outcome.detail
    assert "[redacted]" in page.detail + outcome.answer


def test_files_that_change_make_another_configuration(configured, authority, tmp_path):
    """The same content is the same to a reload, another one in the same files is not, whatever the files are called."""
    ca, cert, key = tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"

    def read():
        lines = f'ca_file = "{ca}"\nclient_certificate = {{ cert = "{cert}", key = "{key}" }}\n'
        return configured("https://localhost", lines).accounts[0]

    def replaced(*files):
        for file, content in zip((ca, cert, key), files, strict=True):
            shutil.copy(content, file)
        return read()

    first = replaced(authority.ca, *authority.issue("one"))
    assert read() == first
    assert replaced(authority.ca, *authority.issue("two")) != first
    assert "key.pem" not in repr(first)


@pytest.mark.parametrize(("file", "folder", "there"), [(True, False, True), (False, True, True), (False, False, False)])
def test_trust_store_of_the_system(authority, monkeypatch, tmp_path, file, folder, there):
    """It is there where OpenSSL finds a file or a folder with anything in it; else certifi's list is trusted."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "0.0").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca if file else tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "full" if folder else tmp_path / "nowhere"))
    assert has_trust_store() is there
    assert len(tls_context().get_ca_certs()) > 50 if not there else isinstance(tls_context(), ssl.SSLContext)
