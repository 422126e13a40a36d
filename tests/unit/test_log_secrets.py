"""The log leaves out every secret, wherever it stands and however it is written."""

import io
import json
import logging
from urllib.parse import quote, quote_plus

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from log_streams import Terminal, log_put_back

from tracker.config import Account, Config, Http, Secret, Storage
from tracker.config.secrets.secret import secret_parts
from tracker.core.text.redaction import REDACTED
from tracker.delivery.notifiers.slack.configuration import SlackReceiver
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.logs import setup as log

CANARY = 'Canary/+ "7\\8"\'&%='
SHOWN = {
    "as it is": str,
    "in a URL's query": quote_plus,
    "in a URL's path": quote,
    "in one part of a URL": lambda text: quote(text, safe=""),
    "in a URL in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%5C", "%5c"),
    "in a URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "in JSON": json.dumps,
    "in JSON for HTML": lambda text: json.dumps(text).replace("&", "\\u0026").replace("'", "\\u0027"),
    "in JSON with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "in JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "in a Python literal": repr,
    "in bytes": lambda text: repr(text.encode()),
    "in a literal in JSON": lambda text: json.dumps(repr([text])),
}
PLACES = {
    "in the message": lambda logger, text: logger.info("asked %s", text),
    "in a value": lambda logger, text: logger.info("asked", detail=f"no such thing: {text}"),
    "in a nested value": lambda logger, text: logger.info("asked", data={"list": [("x", {text})]}),
    "in a nested key": lambda logger, text: logger.info("asked", data={text: {text: 1}}),
    "in a key": lambda logger, text: logger.info("asked", **{text: 1}),
    "in a bound value": lambda logger, text: logger.bind(url=text).info("asked"),
    "in an object": lambda logger, text: logger.info("asked", error=ValueError(text)),
    "in an exception": lambda logger, text: logger.error("asked", exc_info=ValueError(text)),
    "in a library's message": lambda _, text: logging.getLogger("httpx").warning("asked %s", text),
    "in a library's exception": lambda _, text: logging.getLogger("httpx").error("asked", exc_info=ValueError(text)),
}


@pytest.fixture(autouse=True)
def _put_back():
    with log_put_back():
        yield


@pytest.fixture(params=[io.StringIO, Terminal], ids=["json", "terminal"])
def stream(request):
    return request.param()


@pytest.mark.parametrize("tell", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_secret_is_left_out(stream, shown, tell):
    """No place and no way of writing lets a secret through; the rest of the line is there."""
    log.configure(["another", CANARY], stream=stream)
    tell(structlog.get_logger(), shown(CANARY))
    assert REDACTED in stream.getvalue()
    assert "Canary" not in stream.getvalue()
    assert "asked" in stream.getvalue()


@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6),
    ways=st.lists(st.sampled_from(list(SHOWN.values())[:-2]), max_size=2),
)
def test_any_secret_is_left_out(secret, ways):
    """Whatever printable characters a secret is of, one way of writing inside another does not hide it."""
    text = secret
    for way in ways:
        text = way(text)
    with log_put_back():
        stream = io.StringIO()
        log.configure([secret], stream=stream)
        structlog.get_logger().info("asked", detail=f"<{text}>")
        assert REDACTED in json.loads(stream.getvalue())["detail"]


@pytest.mark.parametrize("value", [123456, {"number": 123456}, [123456]], ids=["alone", "nested", "in a list"])
def test_secret_of_digits_is_left_out_of_numbers(stream, value):
    """A secret that happens to be a number is left out of numbers too."""
    log.configure(["123456"], stream=stream)
    structlog.get_logger().info("reported", value=value)
    assert "123456" not in stream.getvalue().replace(stream.getvalue()[:40], "")
    assert REDACTED in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "batch-tracker send-test pipeline", "/var/test/tracker.db", "/srv/latest", "contest", "test_of", "the test-suite",
        "test.db", "a.test", "https://test.example/", "tests", "1test",
    ],
)  # fmt: skip
def test_short_secret_is_no_part_of_a_word_or_a_path(stream, text):
    """A key that is a word leaves words that have it in them, and paths, as they are."""
    log.configure(["test"], stream=stream)
    structlog.get_logger().info("asked", detail=text)
    assert text in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "test", "Bearer test", "key=test", "'test'", '"test"', "{'authorization': 'Bearer test'}", "bad key test.",
        "test, test", "(test)", "https://test@example/", "user:test@example", "?key=test&v=1",
        "Bearer%20test", "Bearer%2520test", "a\\ntest",
        "\\u0022test\\u0022", "x:test", "test\n",
    ],
)  # fmt: skip
def test_short_secret_is_left_out_as_a_token(stream, text):
    """Where the key stands by itself, however that is written, it is left out."""
    log.configure(["test"], stream=stream)
    structlog.get_logger().info("asked", detail=text)
    assert "test" not in stream.getvalue()
    assert REDACTED in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/etc/hook /srv/hooks hook", "/etc/hook /srv/hooks hook"),
        ("Cannot POST /hook", f"Cannot POST {REDACTED}"),
        ("sent to http://127.0.0.1:80/hook", f"sent to {REDACTED}"),
        ("sent to 127.0.0.1:80/hook.", f"sent to {REDACTED}."),
    ],
)
def test_path_of_a_url_is_no_part_of_another_path(stream, text, shown):
    """Of a receiver's URL with a short path the path is left out where it stands by itself or behind its host."""
    url = "http://127.0.0.1:80/hook"
    log.configure([url, *secret_parts(url)], stream=stream)
    structlog.get_logger().info("asked", detail=text)
    assert shown in stream.getvalue()


@pytest.mark.parametrize("text", ["xCANARYCANARYCANARYx", "/etc/CANARYCANARYCANARY/x", "CANARYCANARYCANARY2"])
def test_long_secret_is_left_out_of_words_too(stream, text):
    """No key as long as real ones are stands anywhere by chance: it is left out of whatever it is in."""
    log.configure(["CANARYCANARYCANARY"], stream=stream)
    structlog.get_logger().info("asked", detail=text)
    assert "CANARY" not in stream.getvalue()


def test_longest_secret_first(stream):
    """Where one secret begins another, the whole of the longer one is left out."""
    log.configure(["canary", "canary-and-more"], stream=stream)
    structlog.get_logger().info("reported", value="canary-and-more", other="canary")
    assert "canary" not in stream.getvalue()
    assert "more" not in stream.getvalue()


@pytest.mark.parametrize("secret", ["", "e", "info", "Z", '"', ",", "{", "\\"])
def test_line_stays_whole(secret):
    """A secret so short that it is everywhere, or none at all, cannot break the line or its level and time."""
    stream = io.StringIO()
    log.configure([secret], stream=stream)
    structlog.get_logger().info("process.started", value='{"e": "\\\\", "info": "Z", }')
    line = json.loads(stream.getvalue())
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")
    assert (REDACTED in stream.getvalue()) is bool(secret)


@pytest.mark.slow
@pytest.mark.timeout(20)
@pytest.mark.parametrize("secret", ["/services/canary", "\\\\canary", '"canary"', "%canary"])
@pytest.mark.parametrize("filler", ["\\", "%5C", "%25", "/", '"'])
def test_hostile_text_costs_no_more(secret, filler):
    """A long row of what could begin a secret takes time in proportion to its length, not to its square."""
    stream = io.StringIO()
    log.configure([secret], stream=stream)
    structlog.get_logger().info("reported", value=filler * 200_000)
    assert len(stream.getvalue()) > 200_000


def test_everything_secret_of_a_configuration():
    """The configuration names all its secrets: keys, tokens, and of receivers the URL, its secret part and the signing key."""
    url = "https://hooks.slack.example/services/T000/B000/canary"
    config = Config(
        source=None,
        storage=Storage("tracker.db"),
        http=Http(token=Secret("token")),
        accounts=(Account(name="a", api_key=Secret("key-1")), Account(name="b", api_key=Secret("key-2"))),
        receivers=(
            WebhookReceiver(name="r", url=Secret(url), secrets=(Secret("new"), Secret("old"))),
            SlackReceiver(name="u", token=Secret("xoxb-1"), channel="#batches"),
            WebhookReceiver(name="s", url=Secret("https://user:password@example.com/?key=of-the-query")),
            WebhookReceiver(name="t", url=Secret("https://example.com/")),
        ),
    )
    assert set(config.secrets()) == {
        "token",
        "key-1",
        "key-2",
        "new",
        "old",
        "xoxb-1",
        url,
        "/services/T000/B000/canary",
        "hooks.slack.example/services/T000/B000/canary",
        "https://user:password@example.com/?key=of-the-query",
        "user:password",
        "dXNlcjpwYXNzd29yZA==",
        "example.com/?key=of-the-query",
        "/?key=of-the-query",
        "https://example.com/",
    }
    assert "canary" not in repr(config)
    assert "key-1" not in repr(config)
