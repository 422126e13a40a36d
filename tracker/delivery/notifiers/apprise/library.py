"""Owns the library Apprise: it is imported once a receiver needs it, and is allowed nothing but to send."""

import logging
from typing import Any, Final

from tracker import __version__
from tracker.core.events.event_type import Tone
from tracker.core.events.message_text import MessageText

LOGGER: Final = "apprise"

LogLine = tuple[str, str]
"""The level of a line of its log, and its text."""

_TYPES: Final[dict[Tone, str]] = {"bad": "failure", "warn": "warning", "ok": "success"}
"""Its types of notifications by tone; all else is information."""

Service = Any
"""Apprise's `NotifyBase`, which has types in part; each thread uses one of its own."""


def create_service(url: str) -> Service | None:
    """The service of `url`, which it does not contact; None if the library refuses the URL. Raises `ImportError`."""
    _keep_log_apart()
    from apprise import Apprise  # noqa: PLC0415 - an extra, and long to load

    return Apprise.instantiate(url, asset=_asset())


def known_service(schema: str) -> Any | None:
    """The class of the service whose URLs begin with `schema`."""
    services = _manager()
    return services[schema] if schema in services else None  # noqa: SIM401 - it is no dict


def schemas() -> list[str]:
    """What the URLs of services begin with."""
    return sorted(_manager().schemas())


def send(service: Service, text: MessageText) -> tuple[bool, list[LogLine]]:
    """Whether `service` took the message, and what the library logged meanwhile. It blocks."""
    from apprise import Apprise, NotifyFormat  # noqa: PLC0415 - as above

    service._last_io_datetime = None  # noqa: SLF001 - our rate limiter has waited already; it pauses within a message only
    fitted = text.fitting(service.body_maxlen)
    result = Apprise(services=[service], asset=service.asset).notify(
        title=fitted.title,
        body=fitted.body or fitted.title,
        notify_type=_TYPES.get(text.tone, "info"),
        body_format=NotifyFormat.TEXT,
        log_level=logging.DEBUG,
    )
    return bool(result), [(entry.level, entry.message) for entry in result.logs()]


def cut_what_is_too_long(service: Service) -> None:
    """Where its URL does not say what to do: a text that the service refuses would never arrive."""
    from apprise import OverflowMode  # noqa: PLC0415 - as above

    if service.overflow_mode is OverflowMode.UPSTREAM:
        service.overflow_mode = OverflowMode.TRUNCATE


def _manager() -> Any:
    from apprise.manager_plugins import NotificationManager  # noqa: PLC0415 - as above

    manager: Any = NotificationManager
    return manager()


def _asset() -> Any:
    """Without plugins from files, images of other hosts, redirects, storage, and threads and time limits of its own."""
    from apprise import AppriseAsset  # noqa: PLC0415 - as above

    return AppriseAsset(
        app_id="batch-tracker",
        app_desc=f"batch-tracker {__version__}",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        storage_mode="memory",
        service_timeout=0,
        secure_logging=True,
        async_mode=False,
        http_redirects=False,
    )


def _keep_log_apart() -> None:
    """Its log quotes URLs and messages: an attempt reads its own part of it, and none of it is in the log of the daemon."""
    log = logging.getLogger(LOGGER)
    log.propagate = False
    log.setLevel(logging.DEBUG)
    if not log.handlers:
        log.addHandler(logging.NullHandler())
