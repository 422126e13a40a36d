"""The lines of `top` about replicas."""

from cluster_rows import replica

from tracker.cli.screens.replica_line import replica_lines
from tracker.core.replicas.lease import account_lease


def shown(replicas, unheld=()):
    return [(kind, text.plain) for kind, _, text in replica_lines(replicas, unheld)]


def test_replicas_are_one_line():
    """It names who lives and who was lost; names are those of other machines, so they control no terminal."""
    assert shown([]) == []
    assert shown([replica("a"), replica("b\x1b[2J")]) == [("replicas", "2 live: a, b\N{REPLACEMENT CHARACTER}[2J")]
    assert shown([replica("a"), replica("b", live=False)]) == [("replicas", "1 live: a  1 lost: b")]


def test_what_no_replica_works_on_is_named():
    """It is a further line, unless no replica lives: then the header says that nothing runs."""
    unheld = [account_lease("one")]
    assert shown([replica("a")], unheld)[1:] == [("", "no replica works on account one: its jobs are not watched")]
    assert shown([replica("a", live=False)], unheld) == [("replicas", "0 live  1 lost: a")]
