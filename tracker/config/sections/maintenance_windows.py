"""Owns reading [[maintenance]]: the weekly windows in which receivers get nothing of what matches."""

from collections.abc import Mapping
from datetime import time
from difflib import get_close_matches
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec

from tracker.config.sections.receivers import read_match
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue, Table
from tracker.core.deliveries.fan_out import Match
from tracker.core.silences.scope_mistakes import scope_mistakes
from tracker.core.silences.silence import Scope
from tracker.core.silences.weekly_window import DAYS, WeeklyWindow

MOST_WINDOWS: Final = 50

_KEYS: Final = ("name", "days", "start", "end", "duration", "timezone", "match", "events", "receivers", "webhooks")
_MIDNIGHT: Final = time()


def read_maintenance(
    values: dict[str, Any], errors: list[str], accounts: list[str], receivers: Mapping[str, str]
) -> tuple[WeeklyWindow, ...]:
    """The windows of the file (`values`); mistakes go to `errors`. `receivers` are the kinds by the names."""
    tables = toml_table.tables(values, "maintenance", errors)
    windows = tuple(_window(each, path, errors, accounts, receivers) for path, each in tables)
    if len(windows) > MOST_WINDOWS:
        errors.append(f"maintenance: found {len(windows)} windows, expected at most {MOST_WINDOWS}")
    toml_table.refuse_duplicates("maintenance", [window.name for window in windows], errors)
    return windows


def _window(values: Any, path: str, errors: list[str], accounts: list[str], receivers: Mapping[str, str]) -> WeeklyWindow:
    found = Table(values, path, errors, _KEYS)
    scope = _scope(found)
    errors += [f"{path}.{_key_of(mistake)}" for mistake in scope_mistakes(scope, accounts, receivers)]
    start = found.require("start", _time, _MIDNIGHT, 'a time, such as "22:00"')
    end, duration = found.get("end", _time, None), found.get("duration", toml_table.duration("1m", "7d"), 0.0)
    if isinstance(values, dict) and "end" not in found and "duration" not in found:
        found.add_mistake("end", 'missing, expected a time, such as "06:00", or `duration`')
    if "end" in found and "duration" in found:
        found.add_mistake("duration", "found beside `end`, expected one of them")
    return WeeklyWindow(
        name=found.require("name", toml_table.name, "", 'a name, such as "nights"'),
        scope=scope,
        days=found.require("days", _days, (), 'a list of days, such as ["sat", "sun"]'),
        start=start,
        end=end,
        duration=duration,
        zone=found.get("timezone", _zone, ZoneInfo("UTC")),
    )


def _scope(found: Table) -> Scope:
    match: Match = found.get("match", lambda each: read_match(each, f"{found.path}.match", found.errors), Match())
    scope = Scope(
        account=match.account,
        model=match.model,
        endpoint=match.endpoint,
        metadata=dict(match.metadata),
        events=found.get("events", toml_table.texts, ()),
        receivers=found.get("receivers", toml_table.texts, ()),
        webhooks=found.get("webhooks", toml_table.boolean, default=False),
    )
    return scope if _is_in_bounds(scope, found) else Scope()


def _is_in_bounds(scope: Scope, found: Table) -> bool:
    """Whether the database can give the scope back: one that is too large is a mistake of the file."""
    try:
        msgspec.convert(msgspec.to_builtins(scope), Scope)
    except msgspec.ValidationError as error:
        expected, _, where = str(error).partition(" - at ")
        name = where.strip("`").removeprefix("$.").partition("[")[0]
        key = name if name in _KEYS else f"match.{name}"
        found.errors.append(f"{found.path}.{key}: found a value that is too long, e{expected[1:]}")
        return False
    return True


def _key_of(mistake: str) -> str:
    """The mistake with the key of the file in place of the scope's property."""
    name, _, wrong = mistake.partition(": ")
    return f"{ {'event': 'events', 'receiver': 'receivers', 'account': 'match.account'}[name] }: {wrong}"


def _days(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidValue(f'found {toml_table.display(value)}, expected a list of days, such as ["sat", "sun"]')
    for day in value:
        if day not in DAYS:
            raise InvalidValue(f"found {toml_table.display(day)}, expected {' or '.join(map(repr, DAYS))}")
    return tuple(sorted({DAYS.index(day) for day in value}))


def _time(value: Any) -> time:
    if isinstance(value, time) and value.tzinfo is None and not value.microsecond:  # TOML has times of its own
        return value
    if isinstance(value, str) and len(value) in (5, 8):
        try:
            found = time.fromisoformat(value)
        except ValueError:
            pass
        else:
            if found.tzinfo is None:
                return found
    raise InvalidValue(f'found {toml_table.display(value)}, expected a time of day, such as "22:00"')


def _zone(value: Any) -> ZoneInfo:
    name = toml_table.text(value)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ', expected a name such as "Europe/Berlin"'
        raise InvalidValue(f"found {toml_table.display(name)}, which is no time zone{hint}") from None
