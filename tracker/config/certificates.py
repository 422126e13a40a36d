"""Owns reading `ca_file` and `client_certificate`: PEM files that are tried out, so that a mistake is found at the start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tracker.config import secret_references
from tracker.config.toml_table import Table, Wrong
from tracker.http.tls import ClientCertificate, Tls

KEYS: Final = ("ca_file", "client_certificate")

_MAX_BYTES: Final = 4 * 1024 * 1024  # far more than any system's bundle; a device would not end


def tls(found: Table, environ: Mapping[str, str], errors: list[str]) -> Tls | None:
    """What the keys `ca_file` and `client_certificate` of a table ask for; None where neither is there, or one is wrong."""
    before = len(errors)
    authorities = found.get("ca_file", lambda value: _authorities(secret_references.path(environ)(value)), b"")
    certificate = found.get(
        "client_certificate", lambda value: _certificate(value, f"{found.path}.client_certificate", environ, errors), None
    )
    if len(errors) > before or not (authorities or certificate):
        return None
    return Tls(authorities, certificate, found.get("ca_file", secret_references.path(environ), None))


def mistakes_in(environ: Mapping[str, str]) -> list[str]:
    """What is wrong with $SSL_CERT_FILE, which OpenSSL passes over in silence: then no certificate would be trusted."""
    try:
        if environ.get("SSL_CERT_FILE"):
            _authorities(Path(environ["SSL_CERT_FILE"]))
    except Wrong as wrong:
        return [f"$SSL_CERT_FILE: {wrong}"]
    return []


def _authorities(file: Path) -> bytes:
    content = _content(file)
    try:
        Tls(content)
    except OSError:  # of TLS
        raise Wrong(f"the file {file} holds no certificate that can be read, expected certificates of CAs as PEM") from None
    return content


def _certificate(value: Any, path: str, environ: Mapping[str, str], errors: list[str]) -> ClientCertificate | None:
    before = len(errors)
    found = Table(value, path, errors, ("cert", "key"))
    cert = found.need("cert", lambda each: _file(each, environ), None, "the path of a certificate as PEM")
    key = found.need("key", lambda each: _file(each, environ), None, "the path of its private key as PEM")
    if len(errors) > before or cert is None or key is None:
        return None
    if b"ENCRYPTED" in key[1]:
        raise Wrong(f"the key in {key[0]} has a pass phrase, expected one without: nobody could be asked for it")
    certificate = ClientCertificate(cert[0], key[0], b"\0".join((cert[1], key[1])))
    _try_out(certificate)
    return certificate


def _try_out(certificate: ClientCertificate) -> None:
    try:
        Tls(certificate=certificate)
    except OSError as error:  # of TLS
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            raise Wrong(f"the key in {certificate.key} is not the one of the certificate in {certificate.cert}") from None
        raise Wrong(
            f"the files {certificate.cert} and {certificate.key} hold no certificate and private key that can be read, "
            "expected both as PEM"
        ) from None


def _file(value: Any, environ: Mapping[str, str]) -> tuple[Path, bytes]:
    file = secret_references.path(environ)(value)
    return file, _content(file)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise Wrong(
            f"the file {file} cannot be read: {os.strerror(error.errno or 0) if isinstance(error, OSError) else error}"
        ) from None
    if not content:
        raise Wrong(f"the file {file} is empty, expected PEM in it")
    if len(content) > _MAX_BYTES:
        raise Wrong(f"the file {file} holds more than {_MAX_BYTES} bytes, expected PEM in it")
    return content
