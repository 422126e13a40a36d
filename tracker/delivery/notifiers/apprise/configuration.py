"""Owns the configuration of Apprise: the URL of a service."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, ClassVar, Final

from tracker.config.model import Address, Receiver
from tracker.config.secrets.secret import Secret, secret_parts
from tracker.config.toml import toml_table
from tracker.delivery.notifiers.apprise import service_url
from tracker.delivery.notifiers.templates.configuration import template_reader
from tracker.delivery.notifiers.templates.message_template import MessageTemplate

_OWN_CONNECTIONS: Final = ("headers", "ca_file", "client_certificate")


class AppriseReceiver(Receiver, frozen=True, kw_only=True):
    """A service of Apprise by its `url`, all of which is secret."""

    kind: ClassVar[str] = "apprise"

    group_wait: float = 10.0
    template: MessageTemplate | None = None

    @classmethod
    def readers(cls, environ: Mapping[str, str]) -> Mapping[str, Callable[[Any], Any]]:
        return {"group_wait": toml_table.duration("0s", "1h"), "template": template_reader(environ)}

    @classmethod
    def url_reader(cls, environ: Mapping[str, str]) -> Callable[[Any], Secret]:
        return service_url.service_url(environ)

    @classmethod
    def mistakes(cls, given: AbstractSet[str]) -> Iterator[str]:
        if "url" not in given:
            yield f"url: missing, {service_url.EXPECTED}"
        yield from (f"{key}: found it, but Apprise makes its own connections" for key in _OWN_CONNECTIONS if key in given)

    @property
    def service(self) -> str:
        return service_url.name_of(service_url.checked_service(self.destination))

    @property
    def host(self) -> str:
        """The service: what looks like a host in the URL may be a token."""
        return self.service

    @property
    def sets_authorization(self) -> bool:
        return False

    @staticmethod
    def parts_of_url(url: str) -> list[str]:
        return [*secret_parts(url), *service_url.secret_parts(url)]

    def addresses(self) -> Iterator[Address]:
        if found := service_url.unencrypted_address(service_url.checked_service(self.destination)):
            url, encrypted = found
            yield Address("url", url, "its events", encrypted)

    def files(self) -> Iterator[Path]:
        if self.template and self.template.file:
            yield self.template.file
