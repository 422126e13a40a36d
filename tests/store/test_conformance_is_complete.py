"""The suite that every engine runs covers the Protocols of the store: a method without a test of it is found."""

import ast
from pathlib import Path

import pytest

from tracker.core.ports.job_messages import JobMessages
from tracker.core.ports.leases import Leases
from tracker.core.ports.outbox import Outbox
from tracker.core.ports.reader import Reader, ReaderPool
from tracker.core.ports.silences import Silences
from tracker.core.ports.statistics import Statistics
from tracker.core.ports.store import Store
from tracker.core.ports.wakeups import Wakeups

PROTOCOLS = (Store, Outbox, Wakeups, JobMessages, Leases, Reader, ReaderPool, Silences, Statistics)
SUITE = sorted(Path(__file__).parent.glob("test_store_*.py"))


def methods(protocol):
    return {name for name, value in vars(protocol).items() if not name.startswith("_") and (callable(value) or value)}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.__name__)
def test_each_method_is_used_by_the_conformance_suite(protocol):
    """Every method and attribute of the Protocol is used by a test that runs on every engine."""
    trees = [ast.parse(path.read_text()) for path in SUITE]
    used = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert methods(protocol), "there is nothing to look for"
    assert methods(protocol) - used == set()


@pytest.mark.parametrize("path", SUITE, ids=lambda path: path.stem)
def test_conformance_suite_names_no_engine(path):
    """A test of the suite reaches its engine through the fixtures alone."""
    found = [word for word in ("sqlite", "_database", "_connection", "open_store", "open_reader") if word in path.read_text()]
    assert found == []
