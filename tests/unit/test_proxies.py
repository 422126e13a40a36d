"""Which proxy a request goes through, and what is wrong with the variables that say so."""

import pytest

from tracker.core.errors.config_error import ConfigError
from tracker.daemon.load_configuration import load
from tracker.http.proxies import Exempt, Proxies

HTTP = "http://user:canary-p%40ss@proxy.example:3128"
EXPECTED = "expected the URL of a proxy, such as http://proxy.example:3128 or socks5://proxy.example:1080"
SCHEMES = "expected one of http, https, socks5, socks5h"
ENTRIES = 'expected names, addresses and networks, such as "localhost,.example.com,10.0.0.0/8,fe80::/10"'


@pytest.fixture
def read(tmp_path):
    """The configuration in this environment, with proxies asked for, or not."""

    def read(environ, asked="true"):
        file = tmp_path / "tracker.toml"
        file.write_text(f"[network]\nuse_environment_proxies = {asked}\n")
        return load(str(file), {"HOME": "/nowhere", "MISTRAL_API_KEY": "canary-key"} | environ)

    return read


@pytest.mark.parametrize(
    ("entry", "host", "port", "covers"),
    [
        ("*", "anything.example", 443, True),
        ("example.com", "example.com", 443, True),
        ("example.com", "EXAMPLE.com.", 443, True),
        ("example.com", "a.example.com", 443, True),
        ("example.com", "badexample.com", 443, False),
        (".example.com", "a.example.com", 443, True),
        ("*.example.com", "a.example.com", 443, True),
        ("*.example.com", "example.org", 443, False),
        ("example.com:8443", "example.com", 8443, True),
        ("example.com:8443", "example.com", 443, False),
        ("bücher.example", "xn--bcher-kva.example", 443, True),
        ("localhost", "localhost", 80, True),
        ("10.0.0.0/8", "10.255.0.1", 80, True),
        ("10.0.0.0/8", "11.0.0.1", 80, False),
        ("10.1.2.3/8", "10.9.9.9", 80, True),
        ("10.0.0.0/8", "10.example.com", 80, False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", 80, True),
        ("192.168.1.5", "192.168.1.5", 80, True),
        ("192.168.1.5:81", "192.168.1.5", 80, False),
        ("fe80::/10", "fe80::1", 80, True),
        ("fe80::/10", "fe80::1%eth0", 80, True),
        ("fe80::/10", "fec0::1", 80, False),
        ("::1", "0:0::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]:8080", "::1", 80, False),
        ("0.0.0.0/0", "::1", 80, False),
    ],
)
def test_what_an_entry_of_no_proxy_covers(entry, host, port, covers):
    """A name with all below it, an address, a network of either version of IP, each perhaps of one port."""
    assert Exempt.parse(entry).covers(host, port) is covers


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/99", "fe80::/129", "http://example.com", "a b", "example.com/8", "a..b", "[::1", "x:y"]
)
def test_what_is_no_entry(entry):
    """What is no name, address or network is refused."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is the entry
        Exempt.parse(entry)


@pytest.mark.parametrize(
    ("environ", "https", "http"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": HTTP}, HTTP, None),
        ({"http_proxy": "proxy.example:3128"}, None, "http://proxy.example:3128"),
        ({"ALL_PROXY": HTTP}, HTTP, HTTP),
        ({"ALL_PROXY": HTTP, "https_proxy": "http://other"}, "http://other", HTTP),
        ({"HTTPS_PROXY": HTTP, "https_proxy": "http://lower"}, "http://lower", None),
        ({"HTTPS_PROXY": HTTP, "https_proxy": ""}, None, None),
        ({"ALL_PROXY": HTTP, "NO_PROXY": "other.example, receiver.example"}, None, None),
        ({"ALL_PROXY": HTTP, "no_proxy": "*"}, None, None),
    ],
    ids=[
        "none",
        "HTTPS",
        "without a scheme",
        "all",
        "one of its own",
        "lower case",
        "none in lower case",
        "exempt",
        "all exempt",
    ],
)
def test_proxy_of_a_request(read, environ, https, http):
    """Each scheme has its proxy, the one of ALL_PROXY where it has none, and what NO_PROXY names goes straight."""
    proxies = read(environ).proxies
    assert proxies.of("https", "receiver.example", 443) == https
    assert proxies.of("http", "receiver.example", 80) == http


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_is_a_scheme(read, scheme):
    """A SOCKS proxy is one as any other."""
    assert read({"ALL_PROXY": f"{scheme}://proxy.example:1080"}).proxies.https == f"{scheme}://proxy.example:1080"


@pytest.mark.parametrize(
    ("environ", "mistake"),
    [
        ({"ALL_PROXY": "socks://127.0.0.1:1080"}, f"$ALL_PROXY: found a proxy of the scheme 'socks', {SCHEMES}"),
        ({"https_proxy": "ftp://canary"}, f"$https_proxy: found a proxy of the scheme 'ftp', {SCHEMES}"),
        *[({"HTTP_PROXY": value}, f"$HTTP_PROXY: found something else (not shown), {EXPECTED}") for value in
          ("http://", "http://canary:port", "http://[canary", "http://canary:0", "http://can ary", "http://é")],
        ({"NO_PROXY": "localhost, 10.0.0.0/99"}, f"$NO_PROXY: found '10.0.0.0/99', {ENTRIES}"),
    ],
)  # fmt: skip
def test_variable_that_cannot_be_used(read, environ, mistake):
    """A proxy of another kind, no URL, and no network are named by their variable, if proxies are asked for."""
    with pytest.raises(ConfigError) as raised:
        read(environ)
    assert str(raised.value) == mistake
    assert "canary" not in str(raised.value)
    assert read(environ, "false").proxies is None


def test_password_of_a_proxy_is_a_secret(read):
    """The log leaves out the user of a proxy, also as it is sent, and the password; no representation shows the URL."""
    loaded = read({"ALL_PROXY": HTTP})
    assert {"user:canary-p%40ss", "user:canary-p@ss", "canary-p@ss", "dXNlcjpjYW5hcnktcEBzcw=="} <= set(loaded.secrets())
    assert "canary-p" not in repr(loaded)
    assert Proxies().secrets() == []
