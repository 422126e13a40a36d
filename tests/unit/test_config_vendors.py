"""The vendor of an account: its API's address, its key, and the secret of its webhooks."""

from fnmatch import fnmatchcase

import msgspec
import pytest

from tracker.config import loading
from tracker.config.model import AccountVendor
from tracker.core.errors.config_error import ConfigError
from tracker.providers.vendor_registry import VENDORS

SECRET = "whsec_" + "A" * 32
ENVIRON = {"HOME": "/home/someone", "KEY": "canary-key", "SECRET": SECRET, "NEXT": "whsec_" + "B" * 32}
OTHERS = {
    "bearer": AccountVendor(
        name="bearer",
        title="Bearer",
        base_url="https://api.bearer.example",
        key_variable="BEARER_KEY",
        own_key_headers=("api-key", "authorization"),
    ),
    "keyed": AccountVendor(
        name="keyed", title="Keyed", base_url="https://api.keyed.example", key_variable="KEYED_KEY", key_header="x-api-key"
    ),
}


@pytest.fixture
def account(tmp_path):
    """Reads an account of these lines."""

    def read(lines):
        file = tmp_path / "tracker.toml"
        file.write_text(f'[[accounts]]\nname = "a"\n{lines}\n', "utf-8")
        (found,) = loading.load(str(file), (), {**VENDORS, **OTHERS}, ENVIRON).accounts
        return found

    return read


def mistake(account, lines):
    with pytest.raises(ConfigError) as raised:
        account(lines)
    return str(raised.value).split(": ", 1)[1]


KEY = "api_key = { env = 'KEY' }\n"


@pytest.mark.parametrize("vendor", VENDORS)
def test_account_of_a_vendor_has_its_address(account, vendor):
    """Each vendor that there is can be named, and without `base_url` its own API is used."""
    found = account(f"provider = '{vendor}'\n{KEY}")
    assert (found.provider, found.base_url) == (vendor, VENDORS[vendor].base_url)


def test_account_without_a_vendor_is_mistrals(account):
    """`provider` may be left out, as in a configuration that was written before there were others."""
    assert (account(KEY).provider, account(KEY).base_url) == ("mistral", "https://api.mistral.ai")


@pytest.mark.parametrize(("vendor", "limit"), [("mistral", 1_000_000), ("bearer", None)])
def test_limit_of_pending_requests(account, vendor, limit):
    """Mistral's is known, and no other vendor's; what is configured counts."""
    assert account(f"provider = '{vendor}'\n{KEY}").pending_limit == limit
    assert account(f"provider = '{vendor}'\n{KEY}pending_limit = 7").pending_limit == 7


def test_vendor_that_there_is_not(account):
    """A wrong name is shown, with those that there are."""
    assert mistake(account, f"provider = 'unknown'\n{KEY}").startswith(
        "accounts[0].provider: found 'unknown', expected 'mistral'"
    )


@pytest.mark.parametrize("name", ["api-key", "Authorization"])
def test_header_that_holds_the_key(account, name):
    """A secret header may take the place of `api_key`, where the vendor knows it; then it is the only one."""
    headers = f"provider = 'bearer'\nheaders = {{ '{name}' = {{ env = 'KEY' }} }}\n"
    assert account(headers).api_key.reveal() == ""
    assert mistake(account, headers + KEY) == (
        f"accounts[0].api_key: found it beside the header `{name.lower()}`, expected one of them: both hold the key"
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("provider = 'bearer'", 'accounts[0].api_key: missing, expected { env = "BEARER_KEY" }'),
        (
            f"provider = 'keyed'\n{KEY}headers = {{ X-Api-Key = {{ env = 'KEY' }} }}",
            "accounts[0].headers.X-Api-Key: found a header that holds the key, token or user which is configured already, *",
        ),
        (
            "provider = 'bearer'\nheaders = { api-key = 'canary' }",
            "accounts[0].headers.api-key: found text (not shown), expected { env *: it holds the key",
        ),
        (
            f"{KEY}webhook_secret = {{ env = 'KEY' }}",
            "accounts[0].webhook_secret: found something else (not shown), expected the signing secret * whsec_ and *",
        ),
    ],
)
def test_mistakes_of_keys(account, lines, expected):
    """A key that is missing, given twice or written into the file is a mistake, and no key is shown."""
    found = mistake(account, lines)
    assert fnmatchcase(found.replace("[0]", ""), expected.replace("[0]", ""))
    assert "canary" not in found


def test_another_vendors_header_is_free(account):
    """Where the key is sent in a header of another name, `authorization` is a gateway's."""
    found = account(f"provider = 'keyed'\n{KEY}headers = {{ Authorization = {{ env = 'KEY' }} }}")
    assert [each.name for each in found.headers] == ["authorization"]


def test_secrets_of_webhooks(account):
    """One secret or several, none of which the log shows."""
    one, two = (account(f"{KEY}webhook_secret = {each}") for each in ("{ env = 'SECRET' }", "[{env='NEXT'}, {env='SECRET'}]"))
    assert [secret.reveal() for secret in one.webhook_secrets] == [SECRET]
    assert [secret.reveal() for secret in two.webhook_secrets] == [ENVIRON["NEXT"], SECRET]
    assert SECRET not in msgspec.json.encode(two, enc_hook=repr).decode()


@pytest.mark.parametrize("path", ["/v1beta", "/v1/batches", "/v1/messages/batches", "/v1/batch/jobs", "/v1", "/"])
def test_address_that_ends_as_a_request(account, path):
    """What each request adds to `base_url` may stand there already."""
    base = account(f"provider = 'keyed'\n{KEY}base_url = 'https://gateway.example/x{path}'").base_url
    assert base.rstrip("/") == "https://gateway.example/x"
