"""Owns trying templates: on a sample of each event type that the receiver gets, and on a burst of them."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import msgspec

from tracker.config import Config
from tracker.core.events.event_type_table import TYPES
from tracker.core.events.headline import EventJson
from tracker.core.events.sample import sample_event
from tracker.delivery.notifiers.templates.failure import TemplateFailure
from tracker.delivery.notifiers.templates.message_template import MessageTemplate


def failing_templates(config: Config, now: int) -> Iterator[str]:
    """What is wrong with the templates of receivers: the key, the line, and with which event; `now` is Unix milliseconds."""
    account, external_url = config.accounts[0].name, config.http.external_url
    for index, receiver in enumerate(config.receivers):
        template = getattr(receiver, "template", None)
        if isinstance(template, MessageTemplate):
            failing = failing_samples(template, receiver.events, account, external_url, now)
            yield from (f"receivers[{index}].template: {failure}" for failure in failing)


def failing_samples(
    template: MessageTemplate, globs: Sequence[str], account: str, external_url: str | None, now: int
) -> Iterator[str]:
    """Where and why the template gives no text, and with which of the types that match one of `globs`; `now` as above."""
    types = [type_ for type_ in TYPES if any(fnmatchcase(type_, glob) for glob in globs)]
    samples = [_sample(type_, account, now, number) for number, type_ in enumerate(types)]
    tried = {f"a sample of {sample['type']}": template.render([sample], external_url) for sample in samples}
    if len(samples) > 1:
        tried["a burst of all types"] = template.render(samples, external_url)
    for failure in dict.fromkeys(result for result in tried.values() if isinstance(result, TemplateFailure)):
        yield f"{failure}, with {', '.join(what for what, result in tried.items() if result == failure)}"


def _sample(type_: str, account: str, now: int, number: int) -> EventJson:
    event: EventJson = msgspec.json.decode(msgspec.json.encode(sample_event(type_, account, now, str(number))))
    return event
