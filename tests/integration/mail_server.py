"""Owns a real mail server on loopback, which keeps what it takes."""

import asyncio
from contextlib import asynccontextmanager
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult


class MailServer:
    """Takes mail of who knows the password; `refusal` is what it says in place of taking it."""

    def __init__(self, password=None, refusal=None):
        self.mails = []
        self.port = 0
        self._password = password
        self._refusal = refusal

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd calls it so
        if self._refusal:
            return self._refusal
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def authenticated(self, _server, _session, _envelope, _mechanism, data):
        return AuthResult(success=data.password.decode() == self._password, handled=False)


@asynccontextmanager
async def mail_server(tls=None, **settings):
    """A `MailServer` that listens while the context lasts; with `tls` it wants STARTTLS before anything else."""
    handler = MailServer(**settings)
    auth = {"authenticator": handler.authenticated, "auth_require_tls": False} if settings.get("password") else {}
    listening = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, tls_context=tls, require_starttls=bool(tls), **auth), "127.0.0.1", 0
    )
    async with listening:
        handler.port = listening.sockets[0].getsockname()[1]
        yield handler
