"""Owns TLS of outgoing requests: which certificate authorities are trusted, and the certificate that is shown to a server.

By default that is the system's trust store as OpenSSL finds it, `SSL_CERT_FILE` and `SSL_CERT_DIR` before all: a CA which an
administrator has installed holds here too, with nothing but the standard library. The list of the package certifi, which httpx
would use, serves only where a system has no certificates at all.
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

_NONE: Final = b""


class ClientCertificate:
    """A certificate and its private key: PEM files, and what is in them. No representation shows the key."""

    def __init__(self, cert: Path, key: Path, content: bytes) -> None:
        self.cert = cert
        self.key = key
        self.digest = sha256(content).digest()

    def __repr__(self) -> str:
        return f"ClientCertificate({str(self.cert)!r})"


class Tls:
    """A context for an internal CA, a client certificate or both; equal to another one that was made of the same content."""

    def __init__(
        self, authorities: bytes = _NONE, certificate: ClientCertificate | None = None, ca_file: Path | None = None
    ) -> None:
        """`authorities` are certificates as PEM or DER, the content of `ca_file`.

        Raises `OSError`, such as `ssl.SSLError`, for what cannot be used.
        """
        self._made_of = authorities, certificate.digest if certificate else _NONE
        self.certificate = certificate
        self.ca_file = ca_file
        self.context = tls_context(authorities)
        if certificate:
            self.context.load_cert_chain(certificate.cert, certificate.key, password=_unasked)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tls) and self._made_of == other._made_of

    def __hash__(self) -> int:
        return hash(self._made_of)


def tls_context(authorities: bytes = _NONE) -> "ssl.SSLContext":
    """A context that trusts `authorities` (PEM or DER) alone, or by default the system's trust store."""
    import ssl  # noqa: PLC0415 - long to load, and most commands make no request

    if authorities:
        context = ssl.create_default_context(cadata=_as_cadata(authorities))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what the file names is trusted, be it an intermediate CA
    else:
        context = ssl.create_default_context(cafile=None if has_trust_store() else _certifi())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # on from Python 3.13, and many an internal CA is not quite RFC 5280
    context.set_alpn_protocols(["http/1.1"])
    return context


def has_trust_store() -> bool:
    """Whether OpenSSL finds any certificates of the system, or of $SSL_CERT_FILE and $SSL_CERT_DIR."""
    import ssl  # noqa: PLC0415 - as above

    paths = ssl.get_default_verify_paths()  # without those that do not exist
    return paths.cafile is not None or (paths.capath is not None and bool(os.listdir(paths.capath)))  # noqa: PTH208 - names do


def _certifi() -> str:
    import certifi  # noqa: PLC0415 - long to load, and rarely needed

    return certifi.where()


def _as_cadata(content: bytes) -> str | bytes:
    """Text for PEM, whose comments may be of any encoding; bytes for DER."""
    return content.decode("ascii", "ignore") if b"-----BEGIN" in content else content


def _unasked() -> str:
    """The pass phrase of a key that has one: a daemon has no one to ask for it."""
    return ""
