"""A silence as the API and the commands show it."""

import msgspec
import pytest
from core_samples import NOW

from tracker.core.events.event import iso
from tracker.core.silences.shown_silence import shown_silence
from tracker.core.silences.silence import Scope, Silence, SilenceStatus

SILENCE = Silence(
    id="sil_1", scope=Scope(), reason="load test", starts_at=NOW, ends_at=NOW + 1000, created_at=NOW, created_by="ops"
)


@pytest.mark.parametrize("name", ["started_at", "ended_at"])
def test_what_is_logged_has_a_time_and_what_is_not_has_none(name):
    """`started_at` and `ended_at` are null until the start and the end are in the log."""
    before = shown_silence(SilenceStatus(silence=SILENCE, silenced=0), NOW)
    after = shown_silence(SilenceStatus(silence=msgspec.structs.replace(SILENCE, **{name: NOW}), silenced=0), NOW)
    assert (getattr(before, name), getattr(after, name)) == (None, iso(NOW))
