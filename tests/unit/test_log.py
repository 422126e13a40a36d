"""The log: one event a line, JSON where no person reads along, with what every library says in it."""

import io
import json
import logging
import os
import warnings

import pytest
import structlog
from log_streams import Terminal, log_put_back

from tracker.logs import setup as log


@pytest.fixture(autouse=True)
def _put_back():
    with log_put_back():
        yield


@pytest.fixture
def stream():
    return io.StringIO()


def fail(error):
    raise error


def events(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_json_object_a_line(stream):
    """Each event is one line of JSON with its name, level, UTC time and values, in the order in which they were given."""
    log.configure([], stream=stream)
    structlog.get_logger().bind(account="default").info("process.started", url="http://127.0.0.1:9471")
    structlog.get_logger().warning("job.malformed", reason="no id")
    ready, malformed = events(stream)
    assert ready.pop("timestamp").endswith("Z")
    assert ready == {"event": "process.started", "level": "info", "account": "default", "url": "http://127.0.0.1:9471"}
    assert (malformed["event"], malformed["level"], malformed["reason"]) == ("job.malformed", "warning", "no id")


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        (None, None),
        (True, True),
        (12, 12),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (b"\xff", "b'\\xff'"),
        ({"a": [1, ("x", None)]}, {"a": [1, ["x", None]]}),
        ({1: {(2, 3): "x"}}, {"1": {"(2, 3)": "x"}}),
        ({"x"}, ["x"]),
        (frozenset({1}), [1]),
        (ValueError("no"), "no"),
        ("\ud800", "\ud800"),
    ],
)
def test_any_value_is_json(stream, value, logged):
    """Whatever is logged, the line is JSON that every parser accepts."""
    log.configure([], stream=stream)
    structlog.get_logger().info("reported", value=value)
    line = json.loads(stream.getvalue(), parse_constant=lambda name: fail(ValueError(name)))
    assert line["value"] == logged
    assert stream.getvalue().isascii()


@pytest.mark.parametrize(("verbose", "levels"), [(False, ["info"]), (True, ["debug", "info"])])
def test_debug_only_when_verbose(stream, verbose, levels):
    """`--verbose` adds the debug level, and nothing else does."""
    log.configure([], stream=stream, verbose=verbose)
    structlog.get_logger().debug("sweep.completed")
    structlog.get_logger().info("process.started")
    assert [event["level"] for event in events(stream)] == levels


@pytest.mark.parametrize(
    ("level", "priority"), [("critical", 2), ("error", 3), ("exception", 3), ("warning", 4), ("info", 6), ("debug", 7)]
)
def test_journal_gets_priorities(stream, level, priority):
    """Under systemd each line begins with the priority that the journal files it under."""
    log.configure([], stream=stream, journal=True, verbose=True)
    getattr(structlog.get_logger(), level)("reported", text="two\nlines")
    prefix, line = stream.getvalue()[:3], stream.getvalue()[3:]
    assert prefix == f"<{priority}>"
    assert json.loads(line)["text"] == "two\nlines"


def test_journal_is_never_multi_line():
    """The journal would make an event of each line, so it gets one a line whatever else the stream is."""
    terminal = Terminal()
    log.configure([], stream=terminal, journal=True)
    try:
        fail(ValueError("two\nlines"))
    except ValueError:
        structlog.get_logger().exception("process.crashed")
    (line,) = terminal.getvalue().splitlines()
    assert json.loads(line.removeprefix("<3>"))["exception"].endswith("ValueError: two\nlines")


def test_traceback_is_inside_the_line(stream):
    """An exception is logged with its traceback, its cause and its notes, and is still one line."""
    log.configure([], stream=stream)
    try:
        try:
            fail(KeyError("cause"))
        except KeyError as cause:
            error = ValueError("effect")
            error.add_note("a note")
            raise error from cause
    except ValueError:
        structlog.get_logger().critical("process.crashed", exc_info=True)
    (line,) = events(stream)
    assert "exc_info" not in line
    for part in (
        "Traceback (most recent call last)",
        "KeyError: 'cause'",
        "direct cause",
        "ValueError: effect\na note",
        "in fail",
    ):
        assert part in line["exception"]


def test_libraries_go_through_the_same_pipeline(stream):
    """A record of the standard library's logging looks like any other event, its traceback and stack inside."""
    log.configure([], stream=stream)
    logging.getLogger("asyncio").error("task %s\nfailed", "x", exc_info=ValueError("why"), stack_info=True)
    (line,) = events(stream)
    assert (line["event"], line["level"]) == ("task x\nfailed", "error")
    assert line["exception"] == "ValueError: why"
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("verbose", [False, True])
def test_httpx_is_silent_below_warning(stream, verbose):
    """The client, httpx, logs whole URLs at the level INFO, and a URL may be a secret: such libraries are not logged."""
    log.configure([], stream=stream, verbose=verbose)
    for name in ("httpx", "httpcore.connection", "uvicorn.access", "aiosqlite"):
        logging.getLogger(name).info("HTTP Request: POST https://hooks.slack.example/services/T/B/x")
        logging.getLogger(name).debug("connect_tcp.started")
    assert stream.getvalue() == ""
    logging.getLogger("httpx").warning("heard")
    assert [event["event"] for event in events(stream)] == ["heard"]


def test_warnings_are_logged(stream):
    """A warning of Python's is an event of the log, on one line."""
    log.configure([], stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    (line,) = events(stream)
    assert line["level"] == "warning"
    assert "DeprecationWarning: old" in line["event"]


def test_configured_again_the_last_one_counts():
    """A second configuration takes the place of the first, in both pipelines: nothing is logged twice."""
    first, second = io.StringIO(), io.StringIO()
    log.configure([], stream=first)
    log.configure([], stream=second)
    structlog.get_logger().info("ours")
    logging.getLogger("other").warning("theirs")
    assert first.getvalue() == ""
    assert [event["event"] for event in events(second)] == ["ours", "theirs"]


def test_standard_error_of_the_moment(capsys):
    """Without a stream it is the standard error of now, not that of the import."""
    log.configure([])
    structlog.get_logger().info("process.started")
    assert json.loads(capsys.readouterr().err)["event"] == "process.started"


def test_full_disk_ends_nothing():
    """A log on a full disk loses lines; the caller continues."""
    full = open("/dev/full", "w", encoding="utf-8", buffering=1)  # noqa: PTH123, SIM115 - a device, whose closing fails too
    log.configure([], stream=full)
    structlog.get_logger().info("process.started")
    logging.getLogger("other").warning("theirs")
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_unformattable_record_is_not_printed_raw(stream, capsys):
    """A record that a library got wrong is not dumped, arguments and all, on standard error."""
    log.configure([], stream=stream)
    logging.getLogger("other").warning("%d", "canary")
    assert "canary" not in capsys.readouterr().err


def test_journal_is_known_by_its_stream(tmp_path):
    """Only a stream that is the very one that $JOURNAL_STREAM names is the journal, not a file it was redirected to."""
    with (tmp_path / "stream").open("w") as journal, (tmp_path / "other").open("w") as other:
        status = os.fstat(journal.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert log.is_journal(environ, journal)
        assert not log.is_journal(environ, other)
        assert not log.is_journal({}, journal)
    assert not log.is_journal(environ, io.StringIO())
    assert not log.is_journal(environ, journal)


def test_the_same_failure_is_reported_now_and_then(stream):
    """Ours and a library's, through one count: what is kept back is said later, redacted, with its traceback and its number."""
    moments = [0.0]
    throttle = log.configure(["canary"], stream=stream, now=lambda: moments[0]).throttle
    for number in range(3):
        structlog.get_logger().error("storage.failed", error=f"canary {number}", exc_info=ValueError("canary"))
        logging.getLogger("asyncio").error("task %s failed", number)
        structlog.get_logger().info("reported", number=number)
    moments[0] = 600.0
    throttle.flush_due()
    said = events(stream)
    assert [line["event"] for line in said] == [
        "storage.failed",
        "task 0 failed",
        *["reported"] * 3,
        "storage.failed",
        "task 2 failed",
    ]
    assert (said[5]["error"], said[5]["times"], said[5]["exception"]) == ("[redacted] 2", 2, "ValueError: [redacted]")
    assert (said[6]["logger"], said[6]["times"], said[6]["level"]) == ("asyncio", 2, "error")
    assert "canary" not in stream.getvalue()
