"""Owns the security warnings: files that other users may read or change, and connections without encryption.

`assess_security` is pure; `find_files` reads the modes of the files for it. A warning does not stop the daemon: what is not
allowed is an error when the configuration is loaded.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tracker.config.http_listen_addresses import is_loopback
from tracker.config.key_and_token_length import MIN_TOKEN_LENGTH
from tracker.config.model import Address, Config
from tracker.config.postgres_urls import PostgresUrl, files_of, parse_postgres_url
from tracker.config.secrets.secret import Secret
from tracker.http.tls import Tls


class FileKind(StrEnum):
    """What a file is, which decides who may read and change it; the value is the beginning of a message."""

    CONFIGURATION = "the configuration"
    TRUSTED = "the file"
    SECRET = "the file of a secret"  # noqa: S105 - no secret
    DATABASE = "the database's file"
    ARCHIVE = "the directory of results"
    DIRECTORY = "the directory"


_PRIVATE: Final = {
    FileKind.SECRET: "0600, or 0640 for a group",
    FileKind.DATABASE: "0600, or 0640 for a group",
    FileKind.ARCHIVE: "0700, or 0750 for a group",
}
"""The kinds of files that other users must not read, with the expected modes."""


_OF_ACCOUNT: Final = "the API key and the jobs"


class File(msgspec.Struct, frozen=True):
    """A file and its owner; `mode` has its permission bits, and the sticky bit."""

    kind: FileKind
    path: str
    mode: int
    user: int
    group: int


class SecurityWarning(msgspec.Struct, frozen=True):
    """What is insecure, what was found and what is expected, and what to do."""

    what: str
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: found {self.found}, expected {self.expected}; {self.remedy}"


def security_warnings(config: Config) -> list[SecurityWarning]:
    """The warnings about the configuration and its files as they are now."""
    return [*assess_security(config, find_files(config), _trusted(config))]


def assess_security(config: Config, files: Iterable[File], trusted: frozenset[int]) -> Iterator[SecurityWarning]:
    """The warnings about the configuration, given its files; `trusted` are the users who may change them."""
    for file in files:
        yield from _of_file(file, trusted)
    yield from _of_network(config)


def find_files(config: Config) -> Iterator[File]:
    """The files that the configuration names, itself included, and the directories that they are in, each once."""
    named = {(FileKind.CONFIGURATION, Path(config.source))} if config.source else set()
    named |= {(FileKind.DATABASE, each) for each in _of_database(config.storage.path)}
    named |= set(_referred_to(config))
    named |= {(FileKind.TRUSTED, path) for receiver in config.receivers for path in receiver.files()}
    named |= {
        (FileKind.SECRET if is_secret else FileKind.TRUSTED, path)
        for _, url in _database_urls(config)
        for path, is_secret in files_of(url)
    }
    named |= {(FileKind.ARCHIVE, each) for each in [config.results.directory] if each}
    directories = {
        (FileKind.DIRECTORY, each) for _, path in named for each in (path.parent, Path(os.path.realpath(path)).parent)
    }
    for kind, path in sorted(named | directories):
        try:
            status = path.stat()
        except OSError:  # it does not exist yet, or the process may not see it
            continue
        if kind in (FileKind.DIRECTORY, FileKind.ARCHIVE) or stat.S_ISREG(status.st_mode):
            yield File(kind, str(path), _effective_mode(path, status), status.st_uid, status.st_gid)


def _effective_mode(path: Path, status: os.stat_result) -> int:
    """The permission bits; on a read-only file system, as a ConfigMap of Kubernetes is one, none of them lets anyone write."""
    mode = stat.S_IMODE(status.st_mode)
    is_read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    return mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) if is_read_only else mode


def _trusted(config: Config) -> frozenset[int]:
    """Root, the user of the process, and the owner of the database: another user may run `check`."""
    if config.storage.path is None:
        return frozenset({0, os.geteuid()})
    try:
        owner = {Path(os.path.realpath(config.storage.path)).parent.stat().st_uid}
    except OSError:
        owner = set()
    return frozenset({0, os.geteuid()} | owner)


def _database_urls(config: Config) -> Iterator[tuple[str, str]]:
    """The URLs of PostgreSQL, each with its key."""
    for key, url in (("url", config.storage.url), ("listen_url", config.storage.listen_url)):
        if url:
            yield f"storage.{key}", url.reveal()


def _of_database(path: Path | None) -> Iterator[Path]:
    """The database and the files next to it: WAL, lock, control token, the database that a restore has displaced."""
    if path is None:
        return
    real = Path(os.path.realpath(path))
    try:
        yield from (each for each in real.parent.iterdir() if re.match(rf"{re.escape(real.name)}($|[-.])", each.name))
    except OSError:
        return


def _referred_to(value: Any) -> Iterator[tuple[FileKind, Path]]:
    """Every file that a value of the configuration is read from."""
    if isinstance(value, Secret) and value.path:
        yield FileKind.SECRET, value.path
    elif isinstance(value, Tls):
        if value.ca_file:
            yield FileKind.TRUSTED, value.ca_file
        if value.certificate:
            yield FileKind.SECRET, value.certificate.key
    elif isinstance(value, tuple):
        for each in value:
            yield from _referred_to(each)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _referred_to(getattr(value, name))


def _of_file(file: File, trusted: frozenset[int]) -> Iterator[SecurityWarning]:
    what, mode = f"{file.kind} {file.path}", f"mode {file.mode:04o}"
    sticky = file.kind is FileKind.DIRECTORY and file.mode & stat.S_ISVTX
    own_groups = trusted | {file.user}  # a group of a user's own has the user's number
    by_group = file.mode & stat.S_IWGRP and file.group not in own_groups
    if (file.mode & stat.S_IWOTH or by_group) and not sticky:
        others = "every user" if file.mode & stat.S_IWOTH else f"group {file.group}"
        yield SecurityWarning(
            what, f"{mode}, which lets {others} change it", "its owner alone to do so", f"chmod go-w {file.path}"
        )
    if file.kind in _PRIVATE and file.mode & (stat.S_IROTH | stat.S_IXOTH):
        yield SecurityWarning(what, f"{mode}, which lets every user read it", _PRIVATE[file.kind], f"chmod o= {file.path}")
    if file.user not in trusted and not sticky:
        expected = f"it to belong to {' or '.join('root' if each == 0 else f'user {each}' for each in sorted(trusted))}"
        yield SecurityWarning(
            what, f"that it belongs to user {file.user}, who can change it", expected, "chown it to one of them"
        )


def _of_network(config: Config) -> Iterator[SecurityWarning]:
    if config.http.token and (length := len(config.http.token.reveal())) < MIN_TOKEN_LENGTH:
        found, remedy = f"a token of {length} characters (not shown)", "make one by `openssl rand -hex 32`"
        yield SecurityWarning("http.token", found, f"at least {MIN_TOKEN_LENGTH}, so that it cannot be guessed", remedy)
    addresses = [
        Address("http.external_url", config.http.external_url or "", "the token and all that the page shows"),
        *(Address(f"accounts[{at}].base_url", each.base_url, _OF_ACCOUNT) for at, each in enumerate(config.accounts)),
        *(
            each._replace(key=f"receivers[{at}].{each.key}")
            for at, receiver in enumerate(config.receivers)
            for each in receiver.addresses()
        ),
    ]
    if config.telemetry.traces:
        addresses.append(Address("telemetry.endpoint", config.telemetry.endpoint, "the traces and the headers"))
    for key, url, readable, encrypted in addresses:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
        if host and scheme != encrypted and not is_loopback(host):
            found = f"{scheme}:// to {host}, where anyone on the network path can read {readable}"
            yield SecurityWarning(key, found, f"{encrypted}://", f"use {encrypted}, or a TLS proxy on this machine")
    for key, url in _database_urls(config):
        yield from _of_database_url(key, parse_postgres_url(url))


def _of_database_url(key: str, url: PostgresUrl) -> Iterator[SecurityWarning]:
    """A warning if the connection may be made without TLS to another machine."""
    remote = [host for host in url.hosts if not host.startswith("/") and not is_loopback(host)]
    if remote and url.ssl_mode in ("disable", "allow", "prefer"):
        what = "where anyone on the network path can read the password and the jobs, and change them"
        found = f"sslmode={url.ssl_mode} to {remote[0]}, {what}"
        yield SecurityWarning(key, found, "sslmode=verify-full", "add it, and sslrootcert where the authority is your own")
