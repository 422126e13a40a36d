"""The real command on networks as companies have them: an internal CA, a gateway, a proxy, keys that are rotated."""

import json
import signal

import pytest
from authority import Authority
from loopback import answer, head_of, loopback, sends
from matrix import matrix
from tracking import Installation, simulated

pytestmark = pytest.mark.slow

EMPTY = answer(b'{"data": [], "total": 0}')
OLD, NEW = "canary-old-key-3141", "canary-new-key-2718"


async def test_internal_ca_client_certificate_and_header_of_a_gateway(tmp_path):
    """A gateway that wants a certificate and a key answers where they are configured, and else it is said what is wrong."""
    authority = Authority(tmp_path)
    cert, key = authority.issue("a-client")
    key.chmod(0o600)
    async with loopback(sends(EMPTY), tls=authority.server(wants_certificate=True)) as gateway:
        installation = Installation(tmp_path, gateway.url)
        untrusted = await installation.command("check", "--online")
        installation.environment |= {"SSL_CERT_FILE": str(authority.ca), "GATEWAY_KEY": "canary-gateway-1618"}
        uncertified = await installation.command("check", "--online")
        with installation.config.open("a") as config:
            config.write(f'client_certificate = {{ cert = "{cert}", key = "{key}" }}\n')
            config.write('headers = { "X-Gateway-Key" = { env = "GATEWAY_KEY" } }\n')
        allowed = await installation.command("check", "--online")
        sent = [dict(head_of(request)[1]) for request in gateway.requests if request.startswith(b"GET")]
    assert untrusted.returncode == uncertified.returncode == 1
    assert "of a CA that is not trusted here; name the CA's certificate" in untrusted.stderr
    assert f"network: {gateway.url}: the connection was " in uncertified.stderr  # this server says no more
    assert (allowed.returncode, allowed.stderr) == (0, "")
    assert {each["x-gateway-key"] for each in sent} == {"canary-gateway-1618"}


@pytest.mark.slow
async def test_key_that_is_rotated_in_its_file(tmp_path):
    """A daemon whose key is refused takes the one that its file holds by then, without a signal, and names neither."""
    file = tmp_path / "key"
    file.write_text(OLD)
    async with simulated(jobs=10, api_keys=(OLD,)) as simulator:
        installation = Installation(tmp_path, simulator.url)
        text = installation.config.read_text()
        installation.config.write_text(text.replace('{ env = "MISTRAL_API_KEY" }', f'{{ file = "{file}" }}'))
        async with installation.running() as daemon:
            before = await installation.wait_for_events(lambda events: len(events) > 5)
            (tmp_path / "key.new").write_text(NEW)
            (tmp_path / "key.new").replace(file)
            simulator._api_keys = (NEW,)
            await daemon.says("credential.reloaded", account="default", keys=["api_key"])
            await installation.wait_for_events(lambda events: len(events) > len(before) + 3)
            assert await daemon.stop(signal.SIGTERM) == 0
    assert "canary" not in json.dumps(daemon.lines)


@pytest.mark.parametrize(
    ("variable", "value"),
    matrix([("ALL_PROXY", "socks://user:canary@proxy.example"), ("NO_PROXY", "10.0.0.0/99"), ("https_proxy", "ftp://canary")]),
)
@pytest.mark.parametrize("command", matrix(["run", "check"]))
async def test_proxy_that_cannot_be_used_is_named_at_the_start(tmp_path, command, variable, value):
    """`run` and `check` end with status 2 and the variable's name; nothing is started, and no password is shown."""
    installation = Installation(tmp_path, "http://127.0.0.1:1")
    installation.config.write_text(f"[network]\nuse_environment_proxies = true\n{installation.config.read_text()}")
    installation.environment[variable] = value
    done = await installation.command(command)
    assert (done.returncode, f"${variable}: found " in done.stderr, "canary" in done.stderr) == (2, True, False)
    assert not installation.database.exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", matrix(["run", "check"]))
async def test_short_key_is_not_sent_to_a_foreign_host(tmp_path, command):
    """`run` and `check` refuse a key of a few letters for a host that is not loopback, and take it for a simulator here."""
    installation = Installation(tmp_path, "http://receiver.invalid")
    installation.environment["MISTRAL_API_KEY"] = "test"
    done = await installation.command(command)
    assert (done.returncode, "api_key: found a key of 4 characters (not shown)" in done.stderr) == (2, True)
    local = Installation(tmp_path, "http://127.0.0.1:1")
    local.environment["MISTRAL_API_KEY"] = "test"
    assert (await local.command("check")).returncode == 0
