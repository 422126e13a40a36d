"""Owns reading `ca_file` and `client_certificate`: PEM files that are loaded once, so that a mistake is found at the start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tracker.config.secrets import secret_references
from tracker.config.toml.toml_table import InvalidValue, Table
from tracker.http.tls import ClientCertificate, Tls

KEYS: Final = ("ca_file", "client_certificate")

_MAX_BYTES: Final = 4 * 1024 * 1024  # far more than the bundle of any system; reading a device would not end


def read_tls(found: Table, environ: Mapping[str, str], errors: list[str]) -> Tls | None:
    """The TLS settings of a table; None if it has neither key, or an invalid one."""
    before = len(errors)
    authorities = found.get("ca_file", lambda value: _authorities(secret_references.path(environ)(value)), b"")
    certificate = found.get(
        "client_certificate", lambda value: _certificate(value, f"{found.path}.client_certificate", environ, errors), None
    )
    if len(errors) > before or not (authorities or certificate):
        return None
    return Tls(authorities, certificate, found.get("ca_file", secret_references.path(environ), None))


def environment_mistakes(environ: Mapping[str, str]) -> list[str]:
    """Mistakes in $SSL_CERT_FILE, which OpenSSL ignores silently: then no certificate would be trusted."""
    try:
        if environ.get("SSL_CERT_FILE"):
            _authorities(Path(environ["SSL_CERT_FILE"]))
    except InvalidValue as wrong:
        return [f"$SSL_CERT_FILE: {wrong}"]
    return []


def _authorities(file: Path) -> bytes:
    content = _content(file)
    try:
        Tls(content)
    except OSError:  # of TLS
        raise InvalidValue(
            f"the file {file} holds no certificate that can be read, expected certificates of CAs as PEM"
        ) from None
    return content


def _certificate(value: Any, path: str, environ: Mapping[str, str], errors: list[str]) -> ClientCertificate | None:
    before = len(errors)
    found = Table(value, path, errors, ("cert", "key"))
    cert = found.require("cert", lambda each: _file(each, environ), None, "the path of a certificate as PEM")
    key = found.require("key", lambda each: _file(each, environ), None, "the path of its private key as PEM")
    if len(errors) > before or cert is None or key is None:
        return None
    if b"ENCRYPTED" in key[1]:
        raise InvalidValue(f"the key in {key[0]} has a pass phrase, expected one without: the daemon cannot ask for it")
    certificate = ClientCertificate(cert[0], key[0], b"\0".join((cert[1], key[1])))
    _try_out(certificate)
    return certificate


def _try_out(certificate: ClientCertificate) -> None:
    try:
        Tls(certificate=certificate)
    except OSError as error:  # of TLS
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            raise InvalidValue(
                f"the key in {certificate.key} is not the one of the certificate in {certificate.cert}"
            ) from None
        raise InvalidValue(
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
        raise InvalidValue(
            f"the file {file} cannot be read: {os.strerror(error.errno or 0) if isinstance(error, OSError) else error}"
        ) from None
    if not content:
        raise InvalidValue(f"the file {file} is empty, expected PEM in it")
    if len(content) > _MAX_BYTES:
        raise InvalidValue(f"the file {file} holds more than {_MAX_BYTES} bytes, expected PEM in it")
    return content
