"""Owns the daemon's state in the header, and the banners of every page: each problem that needs a person."""

from tracker.core.errors.provider_failure import Failure
from tracker.core.health.readiness import Health
from tracker.web.pages.layout.delivery_banners import NO_WARNINGS, DeliveryWarnings
from tracker.web.pages.layout.replica_banners import ALONE, Cluster
from tracker.web.pages.rendering.status_labels import StatusLabel


def overall(health: Health, warnings: DeliveryWarnings = NO_WARNINGS, cluster: Cluster = ALONE) -> StatusLabel:
    """The state of the daemon, for the header."""
    if health.not_ready_because():
        return StatusLabel("alert", "not ready", "bad")
    failing = warnings or cluster.unheld or any(state.failure or state.unreadable for state in health.everywhere().values())
    return StatusLabel("alert", "in trouble", "warn") if failing else StatusLabel("ok", "ready", "ok")


def banners(health: Health, warnings: DeliveryWarnings = NO_WARNINGS) -> list[StatusLabel]:
    """The banners of every page."""
    found = [StatusLabel("alert", f"Not ready: {reason}", "warn") for reason in health.not_ready_because()]
    failing = [(name, state.failure) for name, state in health.everywhere().items() if state.failure]
    found += [
        StatusLabel(
            "alert", f"Account {name} cannot be read ({failure.reason.value.replace('_', ' ')}): {failure.detail}", "bad"
        )
        for name, failure in failing
    ]
    found += [
        StatusLabel("alert", f"Account {name}: {state.unreadable[0].what} cannot be read, or only in part", "warn")
        for name, state in health.everywhere().items()
        if state.unreadable
    ]
    return [*found, *warnings.labels()]


def _reason(failure: Failure) -> str:
    return failure.reason.value.replace("_", " ")
