"""Owns what a service's URL may be: one that Apprise accepts, without what is batch-tracker's own to decide."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tracker.config.secrets import secret_references
from tracker.config.secrets.secret import Secret
from tracker.config.toml.toml_table import InvalidValue
from tracker.delivery.notifiers.apprise import library
from tracker.delivery.notifiers.apprise.library import Service

EXTRA: Final = "needs the extra apprise: pip install 'batch-tracker[apprise]'"
EXPECTED: Final = 'expected the URL of one of Apprise\'s services, such as "gotifys://{host}/{token}", or a reference to one'

_MAX_LENGTH: Final = 8192
_HIGHEST_PORT: Final = 65_535
_SHORTEST_PART: Final = 5
"""Characters; a shorter part of a URL is no secret."""


def service_url(environ: Mapping[str, str]) -> Callable[[Any], Secret]:
    """Read the URL of a service, or a reference to one; both are secrets."""

    def read(value: Any) -> Secret:
        found = Secret(_text(value)) if isinstance(value, str) else secret_references.secret(environ)(value)
        checked_service(found.reveal())
        return found.with_reread(lambda: read(value))

    return read


def checked_service(url: str) -> Service:
    """The service of `url`. Raises `InvalidValue`, which does not show the URL."""
    try:
        service = library.create_service(url)
    except ImportError:
        raise InvalidValue(f"found the URL of a service (not shown), which {EXTRA}") from None
    if service is None:
        raise InvalidValue(_refusal(_schema(url)))
    if service.port is not None and not 0 < service.port <= _HIGHEST_PORT:
        raise InvalidValue(f"found a URL (not shown) whose port is none, expected a port from 1 to {_HIGHEST_PORT}")
    for parameter, is_found in _NOT_ALLOWED.items():
        if is_found(service):
            raise InvalidValue(f"found a URL (not shown) with the parameter {parameter}; expected it without")
    return service


def name_of(service: Service) -> str:
    """What people call it: "Gotify"."""
    return str(service.service_name)


def secret_parts(url: str) -> list[str]:
    """The parts of a service's URL that an answer or an error may quote alone, and that Apprise itself would not show.

    Tokens are anywhere in such a URL, also where others have the host.
    """
    service = library.create_service(url)
    if service is None:
        return []
    hidden = _parts(service.url(privacy=False)) - _parts(service.url(privacy=True))
    host = urlsplit(url).hostname or ""
    found = hidden if service.host else hidden | {host}
    return sorted(part for part in found if len(part) >= _SHORTEST_PART)


def unencrypted_address(service: Service) -> tuple[str, str] | None:
    """Where it sends without TLS although it could do so with TLS, such as "gotify://host", and the scheme with TLS."""
    is_secure = service.secure or getattr(service, "secure_mode", "insecure") != "insecure"
    if is_secure or not (service.protocol and service.secure_protocol and service.host):
        return None
    plain, encrypted = (each if isinstance(each, str) else each[0] for each in (service.protocol, service.secure_protocol))
    return f"{plain}://{service.host}", encrypted


def _parts(url: str) -> set[str]:
    """The values of a URL as they are and decoded, without the names of its parameters."""
    values = re.sub(r"(?<=[?&])[^=&]*=", "", url)
    whole = set(re.split(r"[/?&@,]+", values))
    return {part for each in whole for form in (each, unquote(each)) for part in (form, *re.split("[:/]+", form))}


def _schema(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""


def _refusal(schema: str) -> str:
    """What is wrong with a URL that begins with `schema`, and what is expected."""
    service = library.known_service(schema)
    if service is None:
        return f"found something else (not shown), {EXPECTED}{_suggestion(schema)}"
    if not service.enabled:
        needed = service.requirements.get("packages_required") or service.requirements.get("details") or "another system"
        return (
            f"found a URL of {service.service_name} (not shown), which Apprise cannot use here; expected that it has: {needed}"
        )
    shapes = " or ".join(str(shape).replace("{schema}", schema) for shape in service.templates[:3])
    return f"found something else (not shown), expected a URL of {service.service_name}, such as {shapes}"


def _suggestion(schema: str) -> str:
    near = get_close_matches(schema, library.schemas(), n=1, cutoff=0.8) if schema not in ("", "http", "https") else []
    return f"; did you mean {near[0]}://?" if near else ""


def _reads_template(service: Service) -> bool:
    """Whether it has a file or a URL of a template, which Apprise would read; others have a template's name at the service."""
    return type(getattr(service, "template", None)).__name__ == "AppriseAttachment" and bool(service.template)


def _text(value: str) -> str:
    if len(value) > _MAX_LENGTH:
        raise InvalidValue(f"found a text of {len(value)} characters (not shown), {EXPECTED}")
    if not value or not value.isprintable():
        raise InvalidValue(f"found a text that is empty or not printable (not shown), {EXPECTED}")
    return value


_NOT_ALLOWED: Final[Mapping[str, Callable[[Service], bool]]] = {
    "retry: `retry` of the receiver says when attempts are repeated": lambda service: service.retry > 0,
    "optional: a failure is never passed over": lambda service: bool(service.optional),
    "redirect: redirects are not followed": lambda service: bool(service.redirects),
    "verify: certificates are always checked": lambda service: not service.verify_certificate,
    "template: no file is read; `template` of the receiver changes the words": _reads_template,
}
"""Parameters of a URL, and why batch-tracker allows no other value than its own."""
