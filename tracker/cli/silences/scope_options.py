"""Owns the options that say what a silence matches, and reading them as a `Scope`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import click
import msgspec

from tracker.cli.arguments.completion_values import accounts, receivers, types
from tracker.core.queries.name_suggestions import did_you_mean
from tracker.core.silences.silence import Scope

_KEYS: Final = ("account", "model", "endpoint", "metadata", "event", "receiver")
_FIELDS: Final = {"event": "events", "receiver": "receivers"}


def scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as `read_scope` takes them."""
    for add in reversed(
        (
            click.option("--account", metavar="GLOB", shell_complete=accounts, help="Match only events of these accounts."),
            click.option("--model", metavar="GLOB", help="Match only jobs of these models."),
            click.option("--endpoint", metavar="GLOB", help="Match only jobs of these endpoints."),
            click.option(
                "--metadata", metavar="KEY=GLOB", multiple=True, help="Match only jobs with this metadata; repeatable."
            ),
            click.option(
                "--event", metavar="GLOB", multiple=True, shell_complete=types, help="Match only these events; repeatable."
            ),
            click.option(
                "--receiver",
                metavar="GLOB",
                multiple=True,
                shell_complete=receivers,
                help="Match only what goes to these receivers, and receiver.* events about them; repeatable.",
            ),
            click.option(
                "--match",
                "matches",
                metavar="KEY=GLOB",
                multiple=True,
                help="Match only these, for KEY account, model, endpoint, event, receiver, metadata.NAME; repeatable.",
            ),
            click.option("--webhooks", is_flag=True, help="Keep it from webhooks too, which programs read."),
        )
    ):
        command = add(command)
    return command


def read_scope(options: dict[str, Any]) -> Scope:
    """The scope of the options. Raises `UsageError` for what cannot be understood."""
    found: dict[str, Any] = {"webhooks": options["webhooks"], "metadata": {}, "events": [], "receivers": []}
    for option, key, glob in _globs(options):
        if key.startswith("metadata."):
            _refuse_twice(option, key, key[9:] in found["metadata"])
            found["metadata"][key[9:]] = glob
        elif key in _FIELDS:
            found[_FIELDS[key]].append(glob)
        else:
            _refuse_twice(option, key, key in found)
            found[key] = glob
    try:
        return msgspec.convert(found, Scope)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"what is silenced: {error}") from None


def _globs(options: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each glob with its option and its key, such as `model` or `metadata.team`."""
    for key in ("account", "model", "endpoint"):
        if options[key] is not None:
            yield f"--{key}", key, options[key]
    for key in ("event", "receiver"):
        yield from ((f"--{key}", key, glob) for glob in options[key])
    for given in options["metadata"]:
        yield "--metadata", *_pair("--metadata", f"metadata.{given}", given)
    for given in options["matches"]:
        yield "--match", *_pair("--match", given, given)


def _pair(option: str, text: str, given: str) -> tuple[str, str]:
    key, sign, glob = text.partition("=")
    if not sign or not glob:
        raise click.BadParameter(f"found {given!r}, expected KEY=GLOB", param_hint=f"'{option}'")
    if key in ("metadata", "metadata."):
        expected = f"KEY=GLOB, such as {'' if option == '--metadata' else 'metadata.'}team=eval"
        raise click.BadParameter(f"found {given!r}, expected {expected}", param_hint=f"'{option}'")
    if key not in _KEYS and not key.startswith("metadata."):
        raise click.BadParameter(f"found the key {key!r}, {_expected(key, _KEYS)}", param_hint=f"'{option}'")
    return key, glob


def _expected(key: str, known: Sequence[str]) -> str:
    near = did_you_mean(key, known)
    return f"did you mean {near!r}?" if near else f"expected one of {', '.join(known)}"


def _refuse_twice(option: str, key: str, is_there: bool) -> None:
    if is_there:
        raise click.BadParameter(f"found {key} twice, expected one glob", param_hint=f"'{option}'")
