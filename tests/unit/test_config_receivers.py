"""The two kinds of receivers, and the keys that each has to itself."""

import re

import pytest

from tracker.config import load
from tracker.core.errors.config_error import ConfigError

ENVIRON = {"HOME": "/home/someone", "MISTRAL_API_KEY": "key", "TOKEN": "xoxb-canary", "SECRET": "whsec_" + "A" * 32}
EITHER = "receivers[0].url: expected either the URL of an incoming webhook, or a bot's `token` and `channel`"
NO_URL = "receivers[0].url: missing, expected a URL, or a reference to one"
OTHER = "only a receiver of the other kind has it"


def receivers(tmp_path, *lines):
    file = tmp_path / "tracker.toml"
    file.write_text("\n".join(["[[receivers]]", 'name = "r"', *lines]))
    return load(str(file), ENVIRON).receivers


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (['kind = "webhook"'], [NO_URL]),
        (['kind = "webhook"', 'url = "https://a"', 'channel = "#a"'], [f"receivers[0].channel: {OTHER}"]),
        (
            ['kind = "webhook"', "token = { env = 'TOKEN' }", "group_wait = '1s'"],
            [f"receivers[0].token: {OTHER}", f"receivers[0].group_wait: {OTHER}", NO_URL],
        ),
        (['kind = "slack"'], [EITHER]),
        (['kind = "slack"', 'url = "https://a"', "token = { env = 'TOKEN' }", 'channel = "#a"'], [EITHER]),
        (['kind = "slack"', 'url = "https://a"', "secret = { env = 'SECRET' }"], [f"receivers[0].secret: {OTHER}"]),
        (
            ['kind = "slack"', "token = { env = 'TOKEN' }"],
            ['receivers[0].channel: missing, expected the channel that the bot writes to, such as "#batches"'],
        ),
        (['kind = "slack"', 'url = "https://a"', "api = 'slack'"],
         ["receivers[0].api: found 'slack', expected an http or https URL, such as \"https://api.mistral.ai\""]),
    ],
)  # fmt: skip
def test_keys_of_the_wrong_kind_are_told(tmp_path, lines, told):
    """Each key that is missing for the kind, or belongs to the other, is told by its name."""
    with pytest.raises(ConfigError) as raised:
        receivers(tmp_path, *lines)
    file = re.escape(str(tmp_path / "tracker.toml"))
    assert [re.sub(rf"^{file}:[0-9]+: ", "", line) for line in str(raised.value).splitlines()] == told


def test_slack_is_configured_in_two_ways(tmp_path):
    """An incoming webhook needs its URL, a bot its token and channel; the rest has defaults."""
    (webhook,) = receivers(tmp_path, 'kind = "slack"', 'url = "https://hooks.slack.com/x"')
    assert (webhook.url.reveal(), webhook.token, webhook.group_wait) == ("https://hooks.slack.com/x", None, 10.0)
    (bot,) = receivers(tmp_path, 'kind = "slack"', "token = { env = 'TOKEN' }", 'channel = "#batches"', 'group_wait = "0s"')
    assert (bot.url, bot.token.reveal(), bot.channel, bot.group_wait) == (None, "xoxb-canary", "#batches", 0.0)
    assert "canary" not in repr(bot)
