"""Owns reading `template`: the template itself, or the file that it is in."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tracker.config.secrets import secret_references
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue
from tracker.delivery.notifiers.templates.failure import InvalidTemplate
from tracker.delivery.notifiers.templates.message_template import MAX_SOURCE, MessageTemplate

_EXPECTED: Final = 'expected a template of jinja2, or { file = "PATH" }'


def template_reader(environ: Mapping[str, str], escape: Callable[[str], str] = str) -> Callable[[Any], MessageTemplate]:
    """Read a template, whose values `escape` makes harmless."""

    def read(value: Any) -> MessageTemplate:
        file, source = _source(value, environ)
        where = f" in {file}" if file else ""
        if len(source) > MAX_SOURCE:
            raise InvalidValue(f"found more than {MAX_SOURCE} characters{where}, expected a shorter template")
        try:
            return MessageTemplate(source, escape, file)
        except InvalidTemplate as error:
            raise InvalidValue(f"found a mistake{where}, {error}; {_EXPECTED}") from None

    return read


def _source(value: Any, environ: Mapping[str, str]) -> tuple[Path | None, str]:
    """The file that a template is in, and its text."""
    if isinstance(value, str) and value.strip():
        return None, value
    if not isinstance(value, dict) or value.keys() != {"file"}:
        raise InvalidValue(f"found {toml_table.display(value)}, {_EXPECTED}")
    path = secret_references.path(environ)(value["file"])
    try:
        with path.open("rb") as file:
            return path, file.read(4 * MAX_SOURCE + 1).decode("utf-8-sig")
    except OSError as error:
        raise InvalidValue(f"the file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidValue(f"found something else in {path}, expected UTF-8") from None
