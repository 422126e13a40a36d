"""Owns the URLs of PostgreSQL while they are in use: one from a file is read again for each connection.

So a password is rotated by replacing the file: connections that are open stay, and each new one uses the new password. Another
database is another log, so a file that leads elsewhere changes nothing before the next start.
"""

from collections.abc import Iterable

import structlog

from tracker.config.postgres_urls import is_same_but_for_passwords, secrets_of
from tracker.config.secrets.credentials import Learned
from tracker.config.secrets.secret import Secret
from tracker.config.toml.toml_table import InvalidValue


class RotatedPasswords:
    """Gives the URL to use in place of one of `secrets`; those that are not from files stay as they are."""

    def __init__(self, secrets: Iterable[Secret], learned: Learned) -> None:
        """`learned` is given the parts of a new URL that the log redacts from then on, before it is used."""
        self._secrets = {secret.reveal(): secret for secret in secrets if secret.reread}
        self._learned = learned
        self._unreadable = False
        self._log = structlog.get_logger()

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def latest(self, url: str) -> str:
        """The URL that its file has now, the one that was used last where it has none for the same database."""
        secret = self._secrets.get(url)
        if secret is None or secret.reread is None:
            return url
        try:
            read = secret.reread()
        except InvalidValue as error:
            self._warn(str(error))
            return secret.reveal()
        if not is_same_but_for_passwords(read.reveal(), url):
            self._warn("the file leads to another database or names another user, which takes a restart")
            return secret.reveal()
        self._unreadable = False
        if read != secret:
            self._learned(secrets_of(read.reveal()))
            self._secrets[url] = read
            self._log.info("credential.reloaded", keys=["storage.url"])
        return read.reveal()

    def _warn(self, error: str) -> None:
        if not self._unreadable:
            self._log.warning("credential.unreadable", key="storage.url", error=error, in_use="the one of before")
        self._unreadable = True
