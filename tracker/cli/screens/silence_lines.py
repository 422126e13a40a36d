"""Owns the lines of `top` about silences that are in force."""

from collections.abc import Iterable
from typing import Final

from rich.text import Text

from tracker.cli.formatting import quantities
from tracker.core.events.event import iso
from tracker.core.silences.silence import SilenceStatus
from tracker.core.text.escaping import plain

_SHOWN: Final = 2
"""Silences that have a line of their own."""


def silence_lines(found: Iterable[SilenceStatus], now: int) -> list[tuple[str, str, Text]]:
    """A line for each silence that is in force at `now` (Unix milliseconds), and one that counts the others."""
    active = [each for each in found if each.silence.is_active(now)]
    lines = [("silence", "", _line(each)) for each in active[:_SHOWN]]
    others = len(active) - len(lines)
    return [*lines, ("silence", "", Text(f"and {others:,} more: `batch-tracker silences`", "dim"))] if others else lines


def _line(status: SilenceStatus) -> Text:
    silence = status.silence
    until = quantities.moment(iso(silence.ends_at))[5:]
    words = f"until {until}: {plain(silence.scope.words())}  {status.silenced:,} kept  {plain(silence.reason)}"
    return Text.assemble(("silent", "yellow"), f"  {words}")
