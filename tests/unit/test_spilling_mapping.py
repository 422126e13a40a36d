"""A mapping whose values are partly in a file is a mapping, whatever is in memory."""

import sqlite3

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.errors.storage_error import StorageError
from tracker.store.records.verification import spilling_mapping
from tracker.store.records.verification.spilling_mapping import SpillingMapping


class Value(msgspec.Struct, frozen=True):
    number: int


KEYS = st.tuples(st.sampled_from("ab"), st.sampled_from(["1", "2", "3", "\0", "\u00e9"]))
STEPS = st.lists(st.one_of(st.tuples(st.just("set"), KEYS), st.tuples(st.sampled_from(["get", "pop"]), KEYS)), max_size=40)


@pytest.fixture(autouse=True, params=[2, 100], ids=["mostly in the file", "all in memory"])
def in_memory(request, monkeypatch):
    monkeypatch.setattr(spilling_mapping, "IN_MEMORY", request.param)


@pytest.fixture
def mapping():
    mapping = SpillingMapping(Value)
    yield mapping
    mapping.close()


@given(STEPS)
def test_it_is_a_mapping(steps):
    """Setting, reading and removing in any order gives what a dictionary gives, and so does reading all of it."""
    mapping, model = SpillingMapping(Value), {}
    try:
        for number, (step, key) in enumerate(steps):
            if step == "set":
                mapping.set(key, Value(number))
                model[key] = Value(number)
            else:
                assert getattr(mapping, step)(key) == model.get(key)
                if step == "pop":
                    model.pop(key, None)
        items = list(mapping.items())
        assert dict(items) == model
        assert len(items) == len(model)
    finally:
        mapping.close()


def test_memory_is_bounded(mapping):
    """However many values there are, no more than a few are objects in memory."""
    for number in range(500):
        mapping.set(("a", str(number)), Value(number))
        assert len(mapping._recent) <= spilling_mapping.IN_MEMORY
    assert mapping.get(("a", "0")) == Value(0)
    assert len(dict(mapping.items())) == 500


def test_no_room_for_the_file_is_a_storage_error(mapping, monkeypatch):
    """It says which folder is meant."""

    def fails(*_arguments, **_options):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", fails)
    values = {("a", str(number)): Value(number) for number in range(101)}
    with pytest.raises(StorageError, match=r"^the folder of temporary files .*: SQLite says: unable to open database file$"):
        _set_all(mapping, values)


def _set_all(mapping, values):
    for key, value in values.items():
        mapping.set(key, value)
