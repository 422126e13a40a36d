"""[[maintenance]] of the configuration: the weekly windows, and every mistake in them."""

from datetime import time
from zoneinfo import ZoneInfo

import pytest

from tracker.core.errors.config_error import ConfigError
from tracker.core.silences.silence import Scope
from tracker.core.silences.weekly_window import WeeklyWindow
from tracker.daemon.load_configuration import load

ENVIRON = {"HOME": "/home/someone", "MISTRAL_API_KEY": "key", "SLACK": "https://hooks.slack.com/services/x"}
OTHERS = """
[[accounts]]
name = "prod"
api_key = { env = "MISTRAL_API_KEY" }
[[receivers]]
name = "team"
kind = "slack"
url = { env = "SLACK" }
[[receivers]]
name = "pipeline"
kind = "webhook"
url = "https://example.com"
[[maintenance]]
"""
WINDOW = 'name = "nights"\ndays = ["sat", "sun"]\nstart = "22:00"\nend = "06:00"\n'


@pytest.fixture
def loaded(tmp_path):
    def load_text(text):
        file = tmp_path / "tracker.toml"
        file.write_text(OTHERS + text, "utf-8")
        return load(str(file), ENVIRON).maintenance

    return load_text


def test_window_of_all_keys(loaded):
    """A window has its days, times and place, and what is silenced in it."""
    text = 'name = "n"\ndays = ["sun", "mon"]\nstart = 22:00:00\nduration = "1h30m"\ntimezone = "Europe/Berlin"\n'
    scope = 'match = { account = "pro?", model = "m", metadata = { team = "x" } }\nevents = ["batch.*"]\nreceivers = ["team"]\n'
    assert loaded(text + scope + "webhooks = true") == (
        WeeklyWindow(
            name="n",
            scope=Scope(
                account="pro?", model="m", metadata={"team": "x"}, events=("batch.*",), receivers=("team",), webhooks=True
            ),
            days=(0, 6),
            start=time(22),
            duration=5400.0,
            zone=ZoneInfo("Europe/Berlin"),
        ),
    )
    assert loaded(WINDOW)[0].zone is ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            WINDOW.replace("sun", "sunday"),
            "days: found 'sunday', expected 'mon' or 'tue' or",
        ),
        (WINDOW.replace('["sat", "sun"]', '"sat"'), "days: found 'sat', expected a list of days"),
        (WINDOW.replace("22:00", "25:00"), """start: found '25:00', expected a time of day, such as "22:00\""""),
        (WINDOW.replace("22:00", "22:00+01"), "start: found '22:00+01', expected a time of day"),
        (WINDOW.replace("06:00", "0600Z"), "end: found '0600Z', expected a time of day"),
        (
            WINDOW + f'match = {{ model = "{"m" * 257}" }}',
            "maintenance[0].match.model: found a value that is too long, expected",
        ),
        (WINDOW + f"events = {['batch.*'] * 51}", "maintenance[0].events: found a value that is too long, expected"),
        (WINDOW.replace('"22:00"', "22"), "start: found 22, expected a time of day"),
        (WINDOW.replace('start = "22:00"\n', ""), """start: missing, expected a time, such as "22:00\""""),
        (WINDOW.replace('end = "06:00"\n', ""), 'maintenance[0].end: missing, expected a time, such as "06:00", or `duration`'),
        (WINDOW + 'duration = "2h"', "maintenance[0].duration: found beside `end`, expected one of them"),
        (
            WINDOW + 'timezone = "Europe/Berlim"',
            "timezone: found 'Europe/Berlim', which is no time zone; did you mean 'Europe/Berlin'?",
        ),
        (WINDOW + 'timezone = "../../etc/passwd"', "timezone: found '../../etc/passwd', which is no time zone"),
        (WINDOW + 'events = ["batch.fialed"]', "events: found 'batch.fialed', which matches no event type; did you mean"),
        (WINDOW + 'receivers = ["taem"]', "receivers: found 'taem', which matches no receiver; did you mean 'team'?"),
        (WINDOW + 'receivers = ["pipeline"]', "receivers: found 'pipeline', a webhook, which a program reads;"),
        (WINDOW + 'match = { account = "staging" }', "match.account: found 'staging', which matches no account"),
        (WINDOW + 'match = { modle = "x" }', "match.modle: unknown key; did you mean `model`?"),
        (WINDOW + 'reciever = ["team"]', "reciever: unknown key; did you mean `receivers`?"),
        (WINDOW + "[[maintenance]]\n" + WINDOW, "maintenance[1].name: found 'nights' twice, expected a name of its own"),
    ],
)
def test_mistakes_say_where_and_what(loaded, text, mistake):
    """A mistake names the key, what was found and what is expected."""
    with pytest.raises(ConfigError) as raised:
        loaded(text)
    (line,) = str(raised.value).split("\n")
    assert mistake in line
