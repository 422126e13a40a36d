"""What a deliverer knows of what is pending: all of it is under way, or a look is needed."""

import pytest

from tracker.core.deliveries.delivery import Delivery
from tracker.core.ports.outbox import Rest
from tracker.delivery.under_way import UnderWay

NOTHING, SOMETHING = Rest(is_empty=True, next_due=None), Rest(is_empty=False, next_due=None)


def delivery(seq, stream):
    return Delivery(
        receiver="pipeline", seq=seq, event_id=f"evt_{seq}", type="batch.created", stream=stream, attempts=0, body=""
    )


class Looked(UnderWay):
    """What is under way after a look that has found `rest`; `news` is set."""

    def __init__(self, rest=NOTHING):
        super().__init__(lambda: self.news)
        self.news = 0
        self.look()
        self.found(rest)


def test_nothing_is_known_before_a_look():
    """At first something may be pending; a look says whether it is."""
    assert not UnderWay(lambda: 0).is_all
    assert Looked().is_all
    assert not Looked(SOMETHING).is_all


def test_news_and_doubt_need_a_look():
    """After news or doubt something else may be pending, until a look finds that there is nothing."""
    for disturb in (lambda each: setattr(each, "news", 1), UnderWay.doubt):
        known = Looked()
        disturb(known)
        assert not known.is_all
        known.look()
        assert not known.is_all
        known.found(NOTHING)
        assert known.is_all


@pytest.mark.parametrize("disturb", [lambda each: setattr(each, "news", 1), UnderWay.doubt], ids=["news", "doubt"])
def test_what_comes_during_a_look_is_not_lost(disturb):
    """What a look finds is of when it began: news and doubt of since then need another one."""
    known = Looked()
    known.look()
    disturb(known)
    known.found(NOTHING)
    assert not known.is_all


def test_stream_is_sent_one_after_the_other():
    """New deliveries of a stream that is under way wait, as do those of one stream for each other."""
    known = Looked()
    known.add([delivery(1, "a"), delivery(2, "b")])
    assert known.has_no_stream_of([delivery(3, "c"), delivery(4, "d")])
    assert not known.has_no_stream_of([delivery(3, "c"), delivery(4, "b")])
    assert not known.has_no_stream_of([delivery(3, "c"), delivery(4, "c")])
    known.remove([2, 7])
    assert known.has_no_stream_of([delivery(4, "b")])


def test_it_is_a_collection_of_seqs():
    """It has the seqs of what was added and not removed, however often it was removed."""
    known = Looked()
    known.add([delivery(1, "a"), delivery(2, "b"), delivery(3, "c")])
    known.remove([2, 2])
    assert (sorted(known), len(known), 1 in known, 2 in known) == ([1, 3], 2, True, False)
    known.clear()
    assert not known
