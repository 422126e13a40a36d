"""Owns the line of `top` about the replicas: who lives, who was lost, and what none of them works on."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from tracker.core.replicas.lease import LeaseKey
from tracker.core.replicas.unheld_leases import unheld_sentences
from tracker.core.text.escaping import plain


def replica_lines(replicas: Sequence[Mapping[str, Any]], unheld: Sequence[LeaseKey]) -> list[tuple[str, str, Text]]:
    """Lines of a footer: one about the replicas, and one for each kind of lease that none holds; none without replicas."""
    if not replicas:
        return []
    live = [plain(each["name"]) for each in replicas if each["live"]]
    lost = [plain(each["name"]) for each in replicas if not each["live"]]
    line = Text.assemble((f"{len(live):,} live", "green" if live else "red"), f": {', '.join(live)}" if live else "")
    if lost:
        line.append(f"  {len(lost):,} lost: {', '.join(lost)}", "red")
    missing = [("", "", Text(plain(sentence), "red")) for sentence in unheld_sentences(unheld)] if live else []
    return [("replicas", "", line), *missing]
