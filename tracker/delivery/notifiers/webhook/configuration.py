"""Owns the configuration of a webhook: its URL, its signing secrets and the format of its body."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tracker.config.model import Receiver
from tracker.config.secrets import secret_references
from tracker.config.secrets.secret import Secret
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue
from tracker.core.deliveries.signing import parse_secret
from tracker.delivery.notifiers.webhook.formats import FORMATS


class WebhookReceiver(Receiver, frozen=True, kw_only=True, rename={"secrets": "secret"}):
    """Each of `secrets` signs, so that one can replace another. `format` is one of `FORMATS`."""

    kind: ClassVar[str] = "webhook"

    secrets: tuple[Secret, ...] = ()
    format: str = "event"

    @classmethod
    def readers(cls, environ: Mapping[str, str]) -> Mapping[str, Callable[[Any], Any]]:
        return {"secret": _secrets(environ), "format": toml_table.choice(*FORMATS)}


def _secrets(environ: Mapping[str, str]) -> Callable[[Any], tuple[Secret, ...]]:
    def read(value: Any) -> Secret:
        secret = secret_references.secret(environ)(value)
        try:
            parse_secret(secret.reveal())
        except ValueError as error:
            raise InvalidValue(f"found something else (not shown), {error}") from None
        return secret.with_reread(lambda: read(value))

    return lambda value: tuple(map(read, value)) if value and isinstance(value, list) else (read(value),)
