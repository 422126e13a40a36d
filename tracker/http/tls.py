"""Owns TLS of outgoing requests: the trusted certificate authorities, and the client certificate.

By default OpenSSL's trust store of the system is used, after `SSL_CERT_FILE` and `SSL_CERT_DIR`: a CA that an administrator
has installed is trusted here too. The list of the package certifi, which httpx would use, is used only if the system has no
certificates.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

_NONE: Final = b""


class ClientCertificate:
    """A certificate and its private key: PEM files and their content. The repr does not show the key."""

    def __init__(self, cert: Path, key: Path, content: bytes) -> None:
        self.cert = cert
        self.key = key
        from hashlib import sha256  # noqa: PLC0415 - what only reads hashes nothing, and OpenSSL takes long to load

        self.digest = sha256(content).digest()

    def __repr__(self) -> str:
        return f"ClientCertificate({str(self.cert)!r})"


class Tls:
    """A context for an internal CA, a client certificate or both; two are equal if their content is."""

    def __init__(
        self, authorities: bytes = _NONE, certificate: ClientCertificate | None = None, ca_file: Path | None = None
    ) -> None:
        """`authorities` are certificates as PEM or DER, the content of `ca_file`.

        Raises `OSError`, such as `ssl.SSLError`, for unusable content.
        """
        self._content = authorities, certificate.digest if certificate else _NONE
        self.certificate = certificate
        self.ca_file = ca_file
        self.context = tls_context(authorities)
        if certificate:
            self.context.load_cert_chain(certificate.cert, certificate.key, password=_no_pass_phrase)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tls) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)


def tls_context(authorities: bytes = _NONE) -> "ssl.SSLContext":
    """A context that trusts only `authorities` (PEM or DER), or by default the system's trust store."""
    import ssl  # noqa: PLC0415 - long to load, and most commands make no request

    if authorities:
        context = ssl.create_default_context(cadata=_as_cadata(authorities))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate CA in the file is trusted too
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


def _no_pass_phrase() -> str:
    """Without it OpenSSL would ask for the pass phrase of an encrypted key on the terminal."""
    return ""
