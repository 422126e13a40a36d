"""The sessions that replicas share: signed with a key of the token, checked by each replica alone."""

from itertools import count

import pytest

from tracker.web.access.session_cookie import LIFETIME
from tracker.web.access.signed_sessions import SignedSessions

TOKEN = "canary-page-token"
SINCE = 1_750_000_000.5


@pytest.fixture(scope="module")
def clock():
    return [SINCE]


@pytest.fixture(scope="module")
def replicas(clock):
    """Two replicas with the same token, and one with another."""
    random = (f"canary_{number}-name" for number in count())
    return [SignedSessions(token, lambda: next(random), lambda: clock[0]) for token in (TOKEN, TOKEN, TOKEN + "2")]


@pytest.fixture(autouse=True)
def at_the_start(clock):
    clock[0] = SINCE


def test_each_replica_accepts_what_another_started(replicas):
    """A login on one replica is valid on another that has the same token, and not on one that has another token."""
    one, two, other = replicas
    name = one.start()
    assert (one.is_valid(name), two.is_valid(name), other.is_valid(name)) == (True, True, False)
    assert TOKEN not in name
    assert one.start() != one.start(), "each login is a session of its own"


def test_a_session_expires(replicas, clock):
    """After the lifetime no replica accepts it."""
    name = replicas[0].start()
    clock[0] += LIFETIME - 1
    assert replicas[1].is_valid(name)
    clock[0] += 1
    assert not any(each.is_valid(name) for each in replicas)


def altered(name):
    """The name with each part changed, cut or exchanged."""
    expires, random, signature = name.split(".")
    yield from ("", ".", "..", name[:-1], name + "0", name.upper(), f" {name}", f"{name} ", "\udcff.x.\udcff", "x" * 5000)
    yield f"{int(expires) + 1}.{random}.{signature}"
    yield f"0{name}"
    yield f"+{name}"
    yield f"{expires}.{random}x.{signature}"
    yield f"{expires}.{random}..{signature}"
    yield f"{expires}.{random}.{'0' * 64}"
    yield f"{expires}.{random}."
    yield f"{expires}.{random}"
    yield f"{expires}.{signature}"
    yield f"{random}.{expires}.{signature}"
    yield f"{expires}.{random}.{signature}.{signature}"


def test_no_altered_name_is_a_session(replicas):
    """A name that was changed in any part, above all in its expiry, is no session; nothing raises an error."""
    name = replicas[0].start()
    names = [*altered(name)]
    assert [each for each in names if replicas[0].is_valid(each)] == []
    for each in names:
        replicas[0].end(each)
    assert replicas[0].is_valid(name)


def test_a_logout_ends_the_session_where_it_was_sent(replicas, clock):
    """A replica knows its own logouts until the session is over, and keeps no other name."""
    one, two, _ = replicas
    name, other = one.start(), one.start()
    one.end(name)
    assert (one.is_valid(name), two.is_valid(name)) == (False, True), "as documented: the other has not heard of it"
    assert one.is_valid(other)
    for _ in range(100):
        one.end("1.unsigned.name")
    assert len(one._ended) == 1
    clock[0] += LIFETIME
    later = one.start()
    one.end(later)
    assert [*one._ended] == [later], "what has expired need not be remembered"
