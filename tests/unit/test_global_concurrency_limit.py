"""The concurrency limit of all receivers together."""

from tracker.delivery.global_concurrency_limit import GlobalConcurrencyLimit


def test_no_more_than_there_are_and_one_in_any_case():
    """Free attempts go to the first that asks. At the limit a receiver with none under way still gets one, others none."""
    limit = GlobalConcurrencyLimit(10)
    assert [limit.reserve(name, 0, 4) for name in "abcd"] == [4, 4, 2, 1]
    assert [limit.reserve(name, under_way, 4) for name, under_way in (("a", 4), ("d", 1))] == [0, 0]


def test_what_was_not_begun_or_has_ended_is_there_for_others():
    """A receiver that has fewer under way than it took leaves the rest."""
    limit = GlobalConcurrencyLimit(10)
    limit.reserve("a", 0, 10)
    limit.record("a", 3)
    assert limit.reserve("b", 0, 10) == 7
    assert limit.reserve("a", 0, 10) == 3


def test_nothing_wanted_is_nothing_taken():
    """A receiver that may begin nothing now takes nothing from the others."""
    limit = GlobalConcurrencyLimit(10)
    assert limit.reserve("a", 2, -2) == 0
    assert limit.reserve("b", 0, 10) == 8


def test_who_has_nothing_under_way_is_forgotten():
    """Receivers come and go for years, by whatever names."""
    limit = GlobalConcurrencyLimit(10)
    limit.reserve("a", 0, 4)
    limit.reserve("b", 0, 0)
    limit.record("a", 0)
    assert limit._under_way == {}
