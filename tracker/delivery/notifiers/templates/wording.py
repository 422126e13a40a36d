"""Owns the wording of a receiver's messages: its template, and the standard text where that gives none."""

from collections.abc import Sequence

import msgspec
import structlog

from tracker.core.events.headline import EventJson
from tracker.delivery.notifiers.templates.failure import TemplateFailure
from tracker.delivery.notifiers.templates.message_template import MessageTemplate


class Wording(msgspec.Struct, frozen=True):
    """The template of a receiver, if it has one, and where the pages are that messages link to."""

    receiver: str = ""
    template: MessageTemplate | None = None
    external_url: str | None = None

    def rendered(self, events: Sequence[EventJson]) -> str | None:
        """The text of the template; None if the standard text is to be sent. A template that fails is logged."""
        text = self.template.render(events, self.external_url) if self.template else None
        if isinstance(text, TemplateFailure):
            log = structlog.get_logger().bind(receiver=self.receiver, type=events[-1]["type"])
            log.warning("template.failed", line=text.line, reason=text.reason, sent="the standard text")
            return None
        return text
