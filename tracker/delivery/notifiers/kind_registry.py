"""Owns the table of notifier kinds: a new kind is a package in this folder, and a line here."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.config.model import Receiver
from tracker.delivery.notifiers.apprise.kind import APPRISE
from tracker.delivery.notifiers.notifier_kind import NotifierKind
from tracker.delivery.notifiers.slack.kind import SLACK
from tracker.delivery.notifiers.webhook.kind import WEBHOOK

_ALL: Final[tuple[NotifierKind[Any], ...]] = (
    WEBHOOK,
    SLACK,
    APPRISE,
)

NOTIFIER_KINDS: Final[Mapping[str, NotifierKind[Any]]] = {each.receiver.kind: each for each in _ALL}
"""By the name that `kind` has in the configuration."""

RECEIVER_KINDS: Final[tuple[type[Receiver], ...]] = tuple(each.receiver for each in _ALL)
"""The configuration of each kind."""
