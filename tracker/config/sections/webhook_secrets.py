"""Owns reading an account's `webhook_secret`: with it the vendor signs the webhooks that it sends to batch-tracker."""

from collections.abc import Callable, Mapping
from typing import Any

from tracker.config.secrets import secret_references
from tracker.config.secrets.secret import Secret
from tracker.config.toml.toml_table import InvalidValue
from tracker.core.deliveries.signing import SHARED, parse_secret


def webhook_secrets(environ: Mapping[str, str]) -> Callable[[Any], tuple[Secret, ...]]:
    """Read a reference to a secret, or a list of them, any of which may have signed."""

    def read(value: Any) -> Secret:
        secret = secret_references.secret(environ)(value)
        if not _is_shared_secret(secret.reveal()):
            raise InvalidValue(
                "found something else (not shown), expected the signing secret that the vendor shows for the webhook: "
                "whsec_ and padded base64 of 24 to 64 bytes"
            )
        return secret.with_reread(lambda: read(value))

    return lambda value: tuple(map(read, value)) if value and isinstance(value, list) else (read(value),)


def _is_shared_secret(text: str) -> bool:
    try:
        parse_secret(text)
    except ValueError:
        return False
    return text.startswith(SHARED)
