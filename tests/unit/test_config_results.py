"""[results], [[prices]] and what an account says of them: every value as it is read, and every mistake with its message."""

import math
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tracker.cli import group
from tracker.config import Config, ResultsConfig
from tracker.config.loading import load
from tracker.config.reloadable_changes import apply_changes
from tracker.config.warnings.plausibility_warnings import implausible_settings
from tracker.core.errors.config_error import ConfigError
from tracker.core.results.cost import Price
from tracker.daemon.workers.specs import account_spec
from tracker.delivery.notifiers.kind_registry import RECEIVER_KINDS
from tracker.providers.vendor_registry import VENDORS

ENVIRON = {"HOME": "/home/someone", "MISTRAL_API_KEY": "key"}
ACCOUNTS = "".join(f'[[accounts]]\nname = "{name}"\napi_key = {{ env = "MISTRAL_API_KEY" }}\n' for name in ("a", "b"))
SIZE = 'expected a size such as "500MB", "20GB" or "1GiB"'
ARCHIVE = 'expected the path of a directory, or a URL such as "s3://bucket/prefix" (s3, gs or az)'
AMOUNT = "expected an amount from 0 to 1000000 with at most 12 decimals, such as 0.15"


@pytest.fixture
def loaded(tmp_path):
    """Load a configuration of this text; its mistakes, without the file's name, where it has some."""

    def of(text):
        file = tmp_path / "tracker.toml"
        file.write_text(text, "utf-8")
        try:
            return load(str(file), RECEIVER_KINDS, VENDORS, ENVIRON)
        except ConfigError as error:
            return [line.removeprefix(f"{file}:").partition(": ")[2] for line in str(error).splitlines()]

    return of


RECEIVER = '[[receivers]]\nname = "r"\nkind = "webhook"\nurl = "https://a"\n'


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ('archive = "/var/lib/x"', "archive", "/var/lib/x"),
        ('archive = "results"', "archive", "results"),
        ('archive = "~/results"', "archive", "/home/someone/results"),
        ('archive = "s3://bucket"', "archive", "s3://bucket"),
        ('archive = "gs://my-bucket.x/a/b_c/"', "archive", "gs://my-bucket.x/a/b_c"),
        ('archive = "az://container/team=x"', "archive", "az://container/team=x"),
        ('keep = "1h"', "keep", 3600),
        ('keep = "forever"', "keep", math.inf),
        ('max_file = "1KB"', "max_file", 1000),
        ('max_file = "1000TB"', "max_file", 10**15),
        ('max_file = "1.5MiB"', "max_file", 3 * 2**19),
        ('max_file = "2GiB"', "max_file", 2**31),
        ('max_file = "512MB"', "max_file", 512_000_000),
        ('max_file = "2000B"', "max_file", 2000),
        ('min_free = "0B"', "min_free", 0),
        ("compress = false", "compress", False),
        ('accounts = ["a", "b*"]', "accounts", ("a", "b*")),
        ("digest_samples = false", "digest_samples", False),
    ],
)
def test_results(loaded, line, key, value):
    """Each key of [results] is read, sizes as bytes, at the ends of its range too."""
    assert getattr(loaded(f"{ACCOUNTS}[results]\n{line}\n").results, key) == value


def test_nothing_is_archived_unless_configured(loaded):
    """Without `archive` no account is archived, and the other keys have their documented defaults."""
    config = loaded(ACCOUNTS)
    assert config.archived_accounts() == []
    assert (config.results, config.prices) == (ResultsConfig(), ())
    assert (ResultsConfig().keep, ResultsConfig().max_file, ResultsConfig().min_free) == (90 * 86400, 20 * 10**9, 10**9)


@pytest.mark.parametrize(
    ("results", "of_account", "archived"),
    [
        ("", "", ["a", "b"]),
        ("", "results = false\n", ["a"]),
        ('accounts = ["b", "x"]\n', "", ["b"]),
        ('accounts = ["[a]"]\n', "", ["a"]),
        ('accounts = ["b"]\n', "results = false\n", []),
    ],
)
def test_archived_accounts(loaded, results, of_account, archived):
    """An account is archived where a glob matches its name and it does not say otherwise."""
    config = loaded(f'{ACCOUNTS}{of_account}[results]\narchive = "/x"\n{results}')
    assert [each.name for each in config.archived_accounts()] == archived


@pytest.mark.parametrize(("globs", "shown"), [('["*"]', "a, b"), ('["c"]', "no account")])
def test_check_names_the_archive(tmp_path, globs, shown):
    """`check` says where results are archived, and of which accounts."""
    file, environ = tmp_path / "tracker.toml", {"MISTRAL_API_KEY": "k" * 16}
    storage = f'[storage]\npath = "{tmp_path}/t.db"\n'
    file.write_text(f'{ACCOUNTS}{storage}[results]\narchive = "/nowhere"\naccounts = {globs}\n')
    shown_by_check = CliRunner().invoke(group, ["--config", str(file), "check"], env=environ).stdout
    assert f"\nresults   /nowhere of {shown}\n" in shown_by_check


@pytest.mark.parametrize(("archive", "directory"), [('"/x"', Path("/x")), ('"s3://x"', None), (None, None)])
def test_directory_of_the_archive(loaded, archive, directory):
    """Only an archive on this machine has a directory."""
    line = f"archive = {archive}\n" if archive else ""
    assert loaded(f"{ACCOUNTS}[results]\n{line}").results.directory == directory


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("archive = ''", "archive: found '', expected a string, printable and not empty"),
        ("archive = true", "archive: found true, expected a string, printable and not empty"),
        ("archive = '~x/y'", "archive: found '~x/y', expected a path; `~/` needs $HOME, and no other `~` is known"),
        *(
            (f"archive = '{url}'", f"archive: found another URL (not shown), {ARCHIVE}, without credentials and query")
            for url in ("s3://", "s3://key:canary@bucket", "s3://b/x?canary", "s3://b/#x", "http://b/canary", "s3://b/../x y")
        ),
        ("keep = '59m'", 'keep: found \'59m\', expected a duration from "1h" to "3650d"'),
        ("keep = 90", 'keep: found 90, expected a duration such as "500ms", "15s", "5m", "2h" or "7d"'),
        ("max_file = '999B'", 'max_file: found \'999B\', expected a size from "1KB" to "1000TB"'),
        ("max_file = '1001TB'", 'max_file: found \'1001TB\', expected a size from "1KB" to "1000TB"'),
        *(
            (f"max_file = {value}", f"max_file: found {value}, {SIZE}")
            for value in ("1000", "'1000'", "'1G'", "'-1GB'", "'1gb'", "'1 GB'", "'GB'", "'1e3GB'", "'٣GB'", "true")
        ),
        ("min_free = '" + "9" * 400 + "GB'", f"min_free: found '{'9' * 60}'…, {SIZE}"),
        ("compress = 'zstd'", "compress: found 'zstd', expected true or false"),
        ("accounts = 'a'", "accounts: found a string, expected a list of strings"),
        ("accounts = []", "accounts: found an empty list, expected a list of strings"),
        ("digest_samples = 0", "digest_samples: found 0, expected true or false"),
        ("archiv = '/x'", "archiv: unknown key; did you mean `archive`?"),
    ],
)
def test_mistakes_in_results(loaded, line, mistake):
    """What can be wrong about [results]; a URL that may hold a secret is not shown."""
    assert loaded(f"{ACCOUNTS}[results]\n{line}\n") == [f"results.{mistake}"]


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("results = 'no'", "results: found 'no', expected true or false"),
        ("pending_limit = 0", "pending_limit: found 0, expected a whole number from 1 to 1000000000"),
        ("pending_limit = 1.0", "pending_limit: found 1.0, expected a whole number from 1 to 1000000000"),
    ],
)
def test_mistakes_in_an_account(loaded, line, mistake):
    """What can be wrong about an account's results and its limit."""
    assert loaded(f"{ACCOUNTS}{line}\n") == [f"accounts[1].{mistake}"]


def test_prices(loaded):
    """Prices are read in their order, each amount exactly as it is written."""
    config = loaded(
        f'{ACCOUNTS}[[prices]]\nmodel = "a-*"\ncurrency = "EUR"\ninput = 0.1\noutput = 1e-7\n'
        '[[prices]]\nmodel = "*"\ncurrency = "USD"\npages = 1\n'
    )
    assert config.prices == (
        Price(model="a-*", currency="EUR", input_per_million=Decimal("0.1"), output_per_million=Decimal("0.0000001")),
        Price(model="*", currency="USD", per_thousand_pages=Decimal(1)),
    )


@given(st.integers(0, 10**15))
def test_amounts_are_exact(tmp_path_factory, number):
    """A price of up to fifteen digits is read as it is written, though TOML has floats alone."""
    written = f"{number // 10**9}.{number % 10**9:09}"
    file = tmp_path_factory.getbasetemp() / "prices.toml"
    file.write_text(f'{ACCOUNTS}[[prices]]\nmodel = "*"\ncurrency = "EUR"\ninput = {written}\n')
    assert load(str(file), RECEIVER_KINDS, VENDORS, ENVIRON).prices[0].input_per_million == Decimal(written)


@pytest.mark.parametrize(
    ("lines", "mistakes"),
    [
        (
            "",
            [
                "prices[0]: expected at least one of `input`, `output` and `pages`",
                'prices[0].model: missing, expected a model or a glob, such as "mistral-small-*"',
                'prices[0].currency: missing, expected a currency, such as "EUR"',
            ],
        ),
        ("model = ''\ncurrency = 'EUR'\ninput = 1", ["prices[0].model: found '', expected a string, printable and not empty"]),
        (
            "model = 'm'\ncurrency = 'euro'\ninput = 1",
            ["prices[0].currency: found 'euro', expected a currency of three capital letters, such as \"EUR\""],
        ),
        *(
            (f"model = 'm'\ncurrency = 'EUR'\npages = {value}", [f"prices[0].pages: found {value}, {AMOUNT}"])
            for value in ("-1", "1000001", "nan", "inf", "true", "'1'", "1e-13", "0.1234567890123")
        ),
        (
            "model = 'm'\ncurrency = 'EUR'\ninputs = 1\npages = 1",
            ["prices[0].inputs: unknown key; did you mean `input`?"],
        ),
    ],
)
def test_mistakes_in_prices(loaded, lines, mistakes):
    """What can be wrong about a price."""
    assert loaded(f"{ACCOUNTS}[[prices]]\n{lines}\n") == mistakes


def test_prices_are_a_list_of_tables(loaded):
    """One table of prices is a mistake, and so is an entry that is no table."""
    assert loaded(f"{ACCOUNTS}[prices]\n") == ["prices: found a table, expected [[prices]]"]
    assert loaded("prices = [1]\n" + ACCOUNTS)[0] == "prices[0]: found 1, expected a table"


def test_a_reload_applies_all_of_it(loaded):
    """Every key of [results], the prices and an account's keys change without a restart, and are named."""
    old = loaded(ACCOUNTS)
    new = loaded(
        f'{ACCOUNTS}results = false\n[results]\narchive = "/x"\nkeep = "1d"\n'
        '[[prices]]\nmodel = "m"\ncurrency = "EUR"\ninput = 1\n'
    )
    in_force, difference = apply_changes(old, new)
    assert in_force == new
    assert set(difference.changed) == {"results.archive", "results.keep", "prices", "account b"}
    assert (difference.added, difference.removed, difference.restart) == ((), (), ())


def test_an_account_is_watched_on_while_its_results_change(loaded):
    """What is archived, and the limit that metrics show, need no other worker that polls the account."""
    old, new = (loaded(f"{ACCOUNTS}{line}") for line in ("", "results = false\npending_limit = 5\n"))
    assert isinstance(new, Config)
    assert account_spec(old, old.accounts[1]) == account_spec(new, new.accounts[1])
    assert account_spec(old, old.accounts[1]) != account_spec(new, replace(new.accounts[1], poll_interval=1.0))


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ('[results]\narchive = "/x"\naccounts = ["a", "b*"]\n', []),
        (
            '[results]\narchive = "/x"\naccounts = ["a", "c"]\n',
            ["results.accounts[1]: found 'c', which matches no account"],
        ),
        ('[results]\naccounts = ["c"]\n', []),
        (
            '[[prices]]\nmodel = "m"\ncurrency = "EUR"\ninput = 1\n',
            ["prices: no cost is computed without results.archive, as usage is read while results are archived"],
        ),
        (
            f'{RECEIVER}remind_every = "6h"\n',
            ["receivers[0].remind_every: no event in `events` has reminders"],
        ),
        (f'{RECEIVER}remind_every = "6h"\nevents = ["account.*"]\n', []),
    ],
)
def test_what_is_probably_a_mistake(loaded, text, warnings):
    """A glob that matches no account, prices where nothing is archived, and reminders of nothing are warned of."""
    found = [*implausible_settings(loaded(f"{ACCOUNTS}{text}"))]
    assert len(found) == len(warnings)
    assert all(each.startswith(start) for each, start in zip(found, warnings, strict=True))
