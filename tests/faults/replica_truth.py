"""Owns what holds of a cluster whatever has happened to it: its log against what the APIs did and what the receivers got."""

import json
from collections import Counter

from compressed import is_as_at, moments_as
from truth import DELIVERIES, ROWS, Log

from tracker.core.events.event import parse_iso
from tracker.core.jobs.status import is_terminal
from tracker.simulator.job_timeline import exists

TIMERS = ("batch.deadline", "batch.stalled")


class ClusterLog(Log):
    """The log and the deliveries of a cluster, read from PostgreSQL at one moment; sound, or building it fails."""

    def __init__(self, cluster):
        schema = "batch_tracker"
        rows, deliveries = ROWS.replace("events", f"{schema}.events"), DELIVERIES.replace("deliveries", f"{schema}.deliveries")
        self._read(cluster.fetch(rows), cluster.fetch(deliveries))

    def is_true(self, apis, until):
        """Nothing was invented, nothing that had ended by `until` (Unix seconds) is missing, each job's events are in order."""
        histories = {}
        for event in self.events:
            if event["type"].startswith("batch.") and event["type"] not in TIMERS:
                histories.setdefault((event["account"], event["data"]["id"]), []).append(event)
        for account, simulator in apis.simulators.items():
            for plan in simulator.workspace.plans.values():
                history = histories.pop((account, plan.id), None)
                if history:
                    _is_a_life(plan, history)
                if exists(plan, until) and plan.ended < until and plan.created > self.began:
                    assert history, f"{account}: {plan.id} was never logged"
                    assert is_terminal(history[-1]["data"]["status"]), f"{account}: the end of {plan.id} is not in the log"
                    assert is_as_at(plan, history[-1]["data"], until), f"{account}: {plan.id} ended otherwise"
        assert not histories, f"invented jobs: {list(histories)[:3]}"

    @property
    def began(self):
        return min((parse_iso(event["observed_at"]) for event in self.events), default=0) / 1000

    def ends(self):
        return {event["data"]["id"] for event in self.events if event["data"].get("completed_at")}

    def copies_of(self, receivers):
        """How many copies each receiver got, without those that got none."""
        return Counter({receiver.name: receiver.copies for receiver in receivers if receiver.copies})


def _is_a_life(plan, history):
    """Each event is a state that the job was in, in order, none twice."""
    place = 0.0
    seen = set()
    for event in history:
        state = json.dumps([event["type"], event["data"]], sort_keys=True)
        assert state not in seen, f"{plan.id}: logged twice: {event['type']}, seq {event['seq']}"
        seen.add(state)
        moments = list(moments_as(plan, event["data"], parse_iso(event["observed_at"]) / 1000 + 1))
        assert moments, f"invented: {event}"
        found = next((at for at in moments if at > place - 0.01), None)
        assert found is not None, f"out of order: {event}"
        place = found
