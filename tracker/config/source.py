"""Owns the file of the configuration: which one it is, its text, its TOML, and mistakes with their lines."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tracker.config.toml.toml_positions import line_of_excess, syntax_error, with_lines
from tracker.core.errors.config_error import ConfigError

SYSTEM_FILE: Final = Path("/etc/batch-tracker/tracker.toml")
_MAX_BYTES: Final = 1024 * 1024  # more than thousands of receivers need; reading a device would not end


def find_file(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """`explicit`, else $BATCH_TRACKER_CONFIG, else the system's file if there is one."""
    if explicit == "":
        raise ConfigError("--config: found nothing, expected the name of a file")
    named = explicit or environ.get("BATCH_TRACKER_CONFIG")
    if named:
        return Path(named)
    return SYSTEM_FILE if _exists(SYSTEM_FILE) else None


def no_file_error() -> ConfigError:
    """The error where there is none, and nothing to run on without one."""
    return ConfigError(
        "no configuration: set MISTRAL_API_KEY to run on defaults, name a file with --config FILE or "
        f"$BATCH_TRACKER_CONFIG, or write {SYSTEM_FILE}"
    )


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # the directory may not be read: opening the file will say why
        return True


def parse(path: Path | None, text: str) -> dict[str, Any]:
    """The TOML of the file; raises `ConfigError` with line and column."""
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path}:{line_of_excess(text)}: not TOML: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        what, place = syntax_error(str(error), text)
        raise ConfigError(f"{path}:{place}: not TOML: {what}") from error
    except ValueError as error:  # Python refuses integers of some thousand digits
        raise ConfigError(f"{path}:{line_of_excess(text)}: not TOML: a number of too many digits") from error


def read_file(path: Path) -> str:
    """The text of the file; raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ConfigError(f"{path}: expected at most {_MAX_BYTES} bytes, found more")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line, column = error.object[: error.start].count(b"\n") + 1, error.start - error.object.rfind(b"\n", 0, error.start)
        raise ConfigError(f"{path}:{line}:{column}: expected UTF-8, found another byte") from error


def raise_errors(source: Path | None, text: str, errors: list[str]) -> None:
    """Raise `ConfigError` with the line of each mistake, if there are any."""
    if errors:
        raise ConfigError("\n".join(errors if source is None else with_lines(str(source), text, errors)))
