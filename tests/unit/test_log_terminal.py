"""The log on a terminal: readable, and safe from what hostile values hold."""

import io
import json
import logging
import re
import time
from datetime import datetime

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from log_streams import Terminal, log_put_back

from tracker.logs import setup as log

HOSTILE = {
    "colors and clears": "\x1b[2J\x1b[31mred",
    "sets the title": "\x1b]0;title\x07",
    "one-byte CSI": "\x9b31m",
    "goes back and overwrites": "ok\r2026-01-01T00:00:00Z [info     ] forged",
    "a new line": "\n2026-01-01T00:00:00Z [info     ] forged",
    "other new lines": "\x0b\x0c\x1c\x85\u2028forged",
    "right to left": "\u202eexe.txt",
    "backspaces": "key\b\b\b",
    "deletes": "\x7f",
    "half of a pair": "\ud83d",
    "zero": "\0",
}
OURS = ("\x1b[0m", "\x1b[1m", "\x1b[2m", *(f"\x1b[3{color}m" for color in range(8)))
"""Colors that the renderer itself sets."""


@pytest.fixture(autouse=True)
def _put_back():
    with log_put_back():
        yield


@pytest.fixture
def terminal():
    """A terminal that the log is configured for."""
    stream = Terminal()
    log.configure([], stream=stream)
    return stream


def seen(terminal):
    """What a person reads: the lines, without our own colors."""
    text = terminal.getvalue()
    for color in OURS:
        text = text.replace(color, "")
    assert all(each.isprintable() for each in text.replace("\n", ""))
    return text.removesuffix("\n").split("\n")


def test_readable(terminal):
    """A person reads level, event and values, not JSON; words with blanks are quoted."""
    structlog.get_logger().info("process.started", url="http://127.0.0.1:9471", text="two words", number=1, name="é")
    (line,) = seen(terminal)
    assert "[info     ] process.started " in line
    assert line.endswith("name=é number=1 text='two words' url=http://127.0.0.1:9471")
    assert terminal.getvalue() != line + "\n"


def test_no_colors_elsewhere():
    """What is not a terminal gets no escape sequences."""
    stream = io.StringIO()
    log.configure([], stream=stream)
    structlog.get_logger().info("process.started", text="\x1b[31m")
    assert "\x1b" not in stream.getvalue()
    assert json.loads(stream.getvalue())["text"] == "\x1b[31m"


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "tell",
    [
        lambda logger, text: logger.info(text),
        lambda logger, text: logger.info("reported", value=text),
        lambda logger, text: logger.info("reported", value=[{"nested": (text, {text: text})}]),
        lambda logger, text: logger.info("reported", value=Exception(text)),
        lambda logger, text: logger.info("reported", value=type("Hostile", (), {"__repr__": lambda _: text})()),
        lambda logger, text: logger.info("reported", **{text: 1}),
        lambda logger, text: logger.bind(logger=text, logger_name=text).info("reported"),
        lambda _, text: logging.getLogger("other").warning("%s", text),
    ],
    ids=["event", "value", "nested", "exception", "object", "key", "logger", "library"],
)
def test_hostile_value_stays_in_its_line(terminal, tell, hostile):
    """No value makes a line of its own or sends the terminal anything but printable characters."""
    tell(structlog.get_logger(), hostile)
    assert len(seen(terminal)) == 1


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("key", ["exception", "stack"])
def test_hostile_traceback_is_recognizable(terminal, key, hostile):
    """In a traceback or a stack, whose lines are many, each line is indented: none can pass for an event."""
    structlog.get_logger().error("process.crashed", **{key: f"Traceback\n{hostile}"})
    first, *others = seen(terminal)
    assert "[error    ] process.crashed" in first
    assert len(others) >= 2
    assert all(line.startswith("  ") for line in others)


def test_traceback_is_readable(terminal):
    """A person sees the traceback line by line under its event."""
    try:
        int("x")
    except ValueError:
        structlog.get_logger().exception("process.crashed", account="default")
    first, second, *_, last = seen(terminal)
    assert first.endswith("account=default")
    assert second == "  Traceback (most recent call last):"
    assert last == "  ValueError: invalid literal for int() with base 10: 'x'"


@given(value=st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_anything_is_one_line(value):
    """Whatever is logged, a terminal gets one printable line, and everything else one line of JSON that holds it."""
    with log_put_back():
        terminal, stream = Terminal(), io.StringIO()
        for each in (terminal, stream):
            log.configure([], stream=each)
            structlog.get_logger().info("reported", value=value)
        assert len(seen(terminal)) == 1
        (line,) = stream.getvalue().splitlines()
        assert json.loads(line)["value"] == value


def test_times_are_those_of_the_clock_on_the_wall(terminal, monkeypatch):
    """A person reads local times without fractions, in the line's stamp and in its values; JSON keeps UTC."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        stream = io.StringIO()
        for each in (terminal, stream):
            log.configure([], stream=each)
            structlog.get_logger().info(
                "reported", timestamp="forged", again_at="2025-06-25T14:20:10.123Z", not_one="9999-99-99T99:99:99Z"
            )
        (line,) = seen(terminal)
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[info", line), line
        assert "again_at='2025-06-25 19:50:10'" in line
        assert "not_one=9999-99-99T99:99:99Z" in line
        event = json.loads(stream.getvalue())
        assert event["again_at"] == "2025-06-25T14:20:10.123Z"
        written, shown = datetime.fromisoformat(event["timestamp"]), datetime.fromisoformat(f"{line[:19]}+05:30")
        assert abs((written - shown).total_seconds()) < 60
    finally:
        monkeypatch.undo()
        time.tzset()
