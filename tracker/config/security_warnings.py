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

from tracker.config.address import is_loopback
from tracker.config.api_key_strength import MIN_TOKEN_LENGTH
from tracker.config.model import Config, Secret
from tracker.http.tls import Tls


class FileKind(StrEnum):
    """What a file is, which decides who may read and change it; the value is the beginning of a message."""

    CONFIGURATION = "the configuration"
    TRUSTED = "the file"
    SECRET = "the file of a secret"  # noqa: S105 - no secret
    DATABASE = "the database's file"
    DIRECTORY = "the directory"


_PRIVATE: Final = (FileKind.SECRET, FileKind.DATABASE)
"""Files that other users may not even read."""


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
    directories = {
        (FileKind.DIRECTORY, each) for _, path in named for each in (path.parent, Path(os.path.realpath(path)).parent)
    }
    for kind, path in sorted(named | directories):
        try:
            status = path.stat()
        except OSError:  # it does not exist yet, or the process may not see it
            continue
        if kind is FileKind.DIRECTORY or stat.S_ISREG(status.st_mode):
            yield File(kind, str(path), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def _trusted(config: Config) -> frozenset[int]:
    """Root, the user of the process, and the owner of the database: another user may run `check`."""
    try:
        owner = {Path(os.path.realpath(config.storage.path)).parent.stat().st_uid}
    except OSError:
        owner = set()
    return frozenset({0, os.geteuid()} | owner)


def _of_database(path: Path) -> Iterator[Path]:
    """The database and the files next to it: WAL, lock, control token, the database that a restore has displaced."""
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
    by_group = file.mode & stat.S_IWGRP and file.group != file.user  # a group of the user's own has the same number
    if (file.mode & stat.S_IWOTH or by_group) and not sticky:
        others = "every user" if file.mode & stat.S_IWOTH else f"group {file.group}"
        yield SecurityWarning(
            what, f"{mode}, which lets {others} change it", "its owner alone to do so", f"chmod go-w {file.path}"
        )
    if file.kind in _PRIVATE and file.mode & (stat.S_IROTH | stat.S_IXOTH):
        yield SecurityWarning(
            what, f"{mode}, which lets every user read it", "0600, or 0640 for a group", f"chmod o= {file.path}"
        )
    if file.user not in trusted and not sticky:
        expected = f"it to belong to {' or '.join('root' if each == 0 else f'user {each}' for each in sorted(trusted))}"
        yield SecurityWarning(
            what, f"that it belongs to user {file.user}, who can change it", expected, "chown it to one of them"
        )


def _of_network(config: Config) -> Iterator[SecurityWarning]:
    if config.http.token and (length := len(config.http.token.reveal())) < MIN_TOKEN_LENGTH:
        found, remedy = f"a token of {length} characters (not shown)", "make one by `openssl rand -hex 32`"
        yield SecurityWarning("http.token", found, f"at least {MIN_TOKEN_LENGTH}, so that it cannot be guessed", remedy)
    plain_text = [
        ("http.external_url", config.http.external_url, "the token and all that the page shows"),
        *((f"accounts[{at}].base_url", each.base_url, "the API key and the jobs") for at, each in enumerate(config.accounts)),
        *(
            (f"receivers[{at}].{key}", url, what)
            for at, receiver in enumerate(config.receivers)
            for key, url, what in receiver.addresses()
        ),
    ]
    for key, url, what in plain_text:
        if url and (host := urlsplit(url).hostname) and urlsplit(url).scheme == "http" and not is_loopback(host):
            found = f"http:// to {host}, where anyone on the network path can read {what}"
            yield SecurityWarning(key, found, "https://", "use https, or a TLS proxy on this machine")
