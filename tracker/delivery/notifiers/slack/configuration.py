"""Owns the configuration of Slack: the URL of an incoming webhook, or a bot's token and channel."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, ClassVar

from tracker.config import urls
from tracker.config.model import Address, Receiver
from tracker.config.secrets import secret_references
from tracker.config.secrets.secret import Secret
from tracker.config.toml import toml_table
from tracker.delivery.notifiers.slack.block_limits_and_escaping import escaped
from tracker.delivery.notifiers.templates.configuration import template_reader
from tracker.delivery.notifiers.templates.message_template import MessageTemplate


class SlackReceiver(Receiver, frozen=True, kw_only=True):
    """A `url`, or a `token` and a `channel`; `api` is where Slack's API is."""

    kind: ClassVar[str] = "slack"

    token: Secret | None = None
    channel: str | None = None
    group_wait: float = 10.0
    api: str = "https://slack.com/api"
    template: MessageTemplate | None = None

    @classmethod
    def readers(cls, environ: Mapping[str, str]) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "token": secret_references.secret(environ),
            "channel": toml_table.text,
            "group_wait": toml_table.duration("0s", "1h"),
            "api": urls.base_url,
            "template": template_reader(environ, escaped),
        }

    @classmethod
    def mistakes(cls, given: AbstractSet[str]) -> Iterator[str]:
        if ("url" in given) == ("token" in given):
            yield "url: expected either the URL of an incoming webhook, or a bot's `token` and `channel`"
        if "token" in given and "channel" not in given:
            yield 'channel: missing, expected the channel that the bot writes to, such as "#batches"'

    @property
    def destination(self) -> str:
        return super().destination or self.api

    @property
    def sets_authorization(self) -> bool:
        return self.token is not None or super().sets_authorization

    def addresses(self) -> Iterator[Address]:
        yield from super().addresses()
        if self.token:
            yield Address("api", self.api, "the bot's token")

    def files(self) -> Iterator[Path]:
        if self.template and self.template.file:
            yield self.template.file
