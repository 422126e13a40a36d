"""Owns reading paths, and references to secrets in the environment, in files and in systemd credentials.

A relative path starts at the working directory; `~/` is $HOME. No message has a secret in it.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tracker.config.secrets.secret import Secret
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue

EXPECTED: Final = 'expected { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }'
_MAX_BYTES: Final = 65536  # longer than any secret; reading a device would not end


def path(environ: Mapping[str, str]) -> Callable[[Any], Path]:
    """Read a path, `~/` included."""

    def read(value: Any) -> Path:
        found = toml_table.text(value)
        if not found.startswith("~"):
            return Path(found)
        if not found.startswith("~/") or not environ.get("HOME"):
            raise InvalidValue(
                f"found {toml_table.display(value)}, expected a path; `~/` needs $HOME, and no other `~` is known"
            )
        return Path(environ["HOME"]) / found.removeprefix("~/")

    return read


def secret(environ: Mapping[str, str]) -> Callable[[Any], Secret]:
    """Read a reference to a secret: { env = … }, { file = … } or { credential = … }; never the secret itself.

    A secret in a file or a credential can be read again.
    """
    readers = {"env": _from_environment, "file": _from_file, "credential": _from_credential}

    def read(value: Any) -> Secret:
        if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= readers.keys():
            what = "a string (not shown)" if isinstance(value, str) else "another table" if isinstance(value, dict) else ""
            raise InvalidValue(f"found {what or toml_table.display(value)}, {EXPECTED}")
        ((kind, where),) = value.items()
        if not isinstance(where, str) or not where or not where.isprintable():
            raise InvalidValue(f"found {toml_table.display(where)} for `{kind}`, {EXPECTED}")
        label, found, file = readers[kind](where, environ)
        if not found:
            raise InvalidValue(f"{label} is empty, expected a secret in it")
        if not found.isascii() or not found.isprintable():
            raise InvalidValue(f"{label} holds something else (not shown), expected one line of printable ASCII")
        return Secret(found, label, lambda: read(value), file) if file else Secret(found)

    return read


def _from_environment(variable: str, environ: Mapping[str, str]) -> tuple[str, str, None]:
    is_a_name = re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable)
    label = f"the environment variable {variable if is_a_name else 'named there (not shown, it may be the secret itself)'}"
    if variable not in environ:
        raise InvalidValue(f"{label} is not set")
    return label, environ[variable].strip(), None


def _from_file(where: str, environ: Mapping[str, str]) -> tuple[str, str, Path]:
    if "://" in where:
        raise InvalidValue("found a URL (not shown) for `file`, expected the path of a file that holds it")
    file = path(environ)(where)
    return f"the file {file}", _content(file, f"the file {file}"), file


def _from_credential(where: str, environ: Mapping[str, str]) -> tuple[str, str, Path]:
    label = f"the credential {where}"
    if "/" in where or where in (".", ".."):
        raise InvalidValue("found a path (not shown) for `credential`, expected the name of a credential")
    if not environ.get("CREDENTIALS_DIRECTORY"):
        raise InvalidValue(
            f"{label} cannot be read: $CREDENTIALS_DIRECTORY is not set; is this a service with LoadCredential=?"
        )
    file = Path(environ["CREDENTIALS_DIRECTORY"]) / where
    return label, _content(file, label), file


def _content(file: Path, label: str) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES)
    except OSError as error:
        raise InvalidValue(f"{label} cannot be read: {error.strerror}") from None
    return content.decode("utf-8", "replace").strip()
