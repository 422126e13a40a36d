"""Owns reading [[receivers]]: the keys that every kind of receiver has, and those that a kind adds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from tracker.config import certificates, urls
from tracker.config.model import Receiver
from tracker.config.sections.headers import read_headers
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue, Table
from tracker.core.deliveries.fan_out import Match
from tracker.core.queries.name_suggestions import unknown_type

_Readers = Mapping[type[Receiver], Mapping[str, Callable[[Any], Any]]]

_FIRST_KEYS: Final = ("name", "kind", "url")
_LAST_KEYS: Final = ("events", "retry", "hold", "timeout", "rate_limit", "remind_every", "match", "headers", *certificates.KEYS)


def read_receivers(
    values: dict[str, Any], errors: list[str], environ: Mapping[str, str], kinds: Sequence[type[Receiver]]
) -> tuple[Receiver, ...]:
    """The receivers of the file (`values`), each of one of the `kinds`; mistakes go to `errors`."""
    tables = toml_table.tables(values, "receivers", errors)
    receivers = tuple(_receiver(each, path, errors, environ, kinds) for path, each in tables)
    toml_table.refuse_duplicates("receivers", [receiver.name for receiver in receivers], errors)
    return receivers


def _receiver(
    values: Any, path: str, errors: list[str], environ: Mapping[str, str], kinds: Sequence[type[Receiver]]
) -> Receiver:
    readers = {kind: kind.readers(environ) for kind in kinds}
    keys = [key for of_kind in readers.values() for key in of_kind]
    found = Table(values, path, errors, (*_FIRST_KEYS, *keys, *_LAST_KEYS))
    kind = _kind(found, kinds)
    default = kind(name="")
    receiver = kind(
        name=found.require("name", toml_table.name, "", 'a name, such as "pipeline"'),
        url=found.get("url", kind.url_reader(environ) or urls.receiver_url(environ), None),
        **_own_values(found, kind, readers),
        events=found.get("events", _event_types, default.events),
        retry=found.get("retry", _schedule, default.retry),
        hold=found.get("hold", toml_table.duration_or_forever("0s", "3650d"), default.hold),
        timeout=found.get("timeout", toml_table.duration("50ms", "1m"), default.timeout),
        rate_limit=found.get("rate_limit", toml_table.rate("1/h", "1000/s"), default.rate_limit),
        remind_every=found.get("remind_every", toml_table.duration("1m", "3650d"), default.remind_every),
        match=found.get("match", lambda each: read_match(each, f"{path}.match", errors), default.match),
    )
    taken = ("authorization",) if receiver.sets_authorization else ()
    receiver = msgspec.structs.replace(
        receiver,
        headers=found.get(
            "headers", lambda each: read_headers(each, f"{path}.headers", errors, environ, taken=taken), default.headers
        ),
        tls=certificates.read_tls(found, environ, errors),
    )
    if isinstance(values, dict):
        misplaced = (key for key in dict.fromkeys(keys) if key in values and key not in readers[kind])
        errors += [f"{path}.{key}: only a receiver of the kind {_owners(key, readers)} has it" for key in misplaced]
        errors += [f"{path}.{mistake}" for mistake in kind.mistakes(values.keys())]
    return receiver


def _kind(found: Table, kinds: Sequence[type[Receiver]]) -> type[Receiver]:
    """The kind of receiver that a table names; the first where it names none that there is."""
    by_name = {kind.kind: kind for kind in kinds}
    return by_name[found.require("kind", toml_table.choice(*by_name), kinds[0].kind, " or ".join(map(repr, by_name)))]


def _own_values(found: Table, kind: type[Receiver], readers: _Readers) -> dict[str, Any]:
    """What a table has for the keys that its kind adds, by the names of the fields; the others keep their defaults.

    The keys of other kinds are read too, so that all that is wrong with them is said at once.
    """
    fields = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
    every = {key: reader for of_kind in readers.values() for key, reader in of_kind.items()} | dict(readers[kind])
    read = {key: found.get(key, reader, UNSET) for key, reader in every.items()}
    return {fields[key]: value for key, value in read.items() if value is not UNSET and key in readers[kind]}


def _owners(key: str, readers: _Readers) -> str:
    """The kinds that have the key."""
    return " or ".join(repr(kind.kind) for kind, of_kind in readers.items() if key in of_kind)


def _event_types(value: Any) -> tuple[str, ...]:
    globs = toml_table.texts(value)
    if wrong := [*filter(None, map(unknown_type, globs))]:
        raise InvalidValue("; also ".join(wrong))
    return globs


def _schedule(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidValue(f"found {toml_table.display_type(value)}, expected a list of durations")
    return tuple(map(toml_table.duration("0s", "30d"), value))


def read_match(values: Any, path: str, errors: list[str]) -> Match:
    """The globs of a table at `path`; mistakes go to `errors`."""
    found = Table(values, path, errors, Match.__struct_fields__)
    metadata: dict[str, str] = found.get("metadata", _globs, {})
    account, model, endpoint = (found.get(key, toml_table.text, "") or None for key in ("account", "model", "endpoint"))
    return Match(account=account, model=model, endpoint=endpoint, metadata=metadata)


def _globs(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidValue(f"found {toml_table.display_type(value)}, expected a table of globs")
    return {key: toml_table.text(each) for key, each in value.items()}
