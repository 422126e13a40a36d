"""Random worlds, faults, shifting pages and restarts at any point, against a model of what must have been logged."""

import pytest
from moving_api import CursorApi, FullPagesApi, MovingApi, SinglePageApi, UnorderedApi
from poller_trial import live_through, worlds


@pytest.fixture
def new_path(tmp_path_factory):
    """The place of another SQLite database for each world."""
    return lambda: tmp_path_factory.mktemp("world") / "tracker.db"


PROGRESS = pytest.mark.parametrize("api", [MovingApi, CursorApi])
OTHER_VENDORS = pytest.mark.parametrize("api", [FullPagesApi, CursorApi, UnorderedApi, SinglePageApi])


@worlds(20)
def test_every_change_is_logged_once_and_rightly(steps, overlap, monkeypatch, new_database):
    """Whatever happens between and during sweeps, the log chains, invents nothing, and in the end is the truth."""
    live_through(steps, overlap, monkeypatch, new_database())


@pytest.mark.slow
@pytest.mark.timeout(900)
@worlds(200)
def test_every_change_is_logged_once_and_rightly_in_many_worlds(steps, overlap, monkeypatch, new_path):
    """The same, in ten times as many worlds."""
    live_through(steps, overlap, monkeypatch, new_path())


@OTHER_VENDORS
@worlds(10)
def test_every_change_is_logged_once_whatever_the_list_is_like(api, steps, overlap, monkeypatch, new_path):
    """The same where pages are expected, and of vendors whose lists have opaque tokens, another order or none, or no total."""
    live_through(steps, overlap, monkeypatch, new_path(), api)


@pytest.mark.slow
@pytest.mark.timeout(900)
@OTHER_VENDORS
@worlds(100)
def test_every_change_is_logged_once_whatever_the_list_is_like_in_many_worlds(api, steps, overlap, monkeypatch, new_path):
    """The same, in ten times as many worlds."""
    live_through(steps, overlap, monkeypatch, new_path(), api)


@PROGRESS
@worlds(10)
def test_progress_that_is_logged_now_and_then_breaks_no_link(api, steps, overlap, monkeypatch, new_database):
    """The same where most progress waits for its turn: through kills, restarts and lies the log ends as the truth."""
    live_through(steps, overlap, monkeypatch, new_database(), api, progress_every=300.0)


@pytest.mark.slow
@pytest.mark.timeout(900)
@PROGRESS
@worlds(100)
def test_progress_that_is_logged_now_and_then_breaks_no_link_in_many_worlds(api, steps, overlap, monkeypatch, new_path):
    """The same, in ten times as many worlds."""
    live_through(steps, overlap, monkeypatch, new_path(), api, progress_every=300.0)
