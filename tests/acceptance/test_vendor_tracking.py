"""The main job at Anthropic and Gemini: their clients submit and cancel, the real command watches, the log is the truth."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from log_truth import check_log, has_ends_of
from test_tracking import Noted, OneInSix
from tracking import Installation, simulated
from vendor_life import anthropic_life, gemini_life
from vendor_submissions import submit_to_anthropic, submit_to_gemini

from tracker.simulator.faults.fault_options import TRANSIENT_FAULTS
from tracker.simulator.vendors.anthropic.batch_objects import BATCH as MESSAGE_BATCH
from tracker.simulator.vendors.gemini.operations import BATCH as GEMINI_BATCH
from tracker.simulator.vendors.ids import shown


@dataclass(frozen=True)
class Vendor:
    """A vendor; `life` gives by the URL of its API all that a batch ever was."""

    name: str
    prefix: str
    submit: Callable
    life: Callable

    def check(self, installation, simulator, submitted, events):
        plans = {shown(self.prefix, plan.id): plan for plan in simulator.workspace.plans.values()}
        check_log(installation, plans, submitted, events, life=self.life(simulator.url))


ANTHROPIC = Vendor(
    "anthropic", MESSAGE_BATCH, lambda simulator, _, each: submit_to_anthropic(simulator, each=each), anthropic_life
)
GEMINI = Vendor(
    "gemini",
    GEMINI_BATCH,
    lambda simulator, folder, each: submit_to_gemini(simulator, folder, each=each),
    lambda _: gemini_life(),
)
EACH_VENDOR = pytest.mark.parametrize(
    "vendor",
    [
        pytest.param(each, id=each.name, marks=pytest.mark.xdist_group(f"{each.name} client"))  # it is long to load
        for each in (ANTHROPIC, GEMINI)
    ],
)


@pytest.mark.slow
@EACH_VENDOR
async def test_log_of_a_vendor_is_right_to_the_field_and_the_second(tmp_path, storage, vendor):
    """Batches that end in every way are logged as they truly were, with a kill amid it, each event as soon as it is read."""
    async with simulated(provider=vendor.name) as simulator:
        simulator.faults = Noted()
        installation = Installation(tmp_path, simulator.url, **storage, provider=vendor.name)
        async with installation.running() as daemon:
            submitted = await vendor.submit(simulator, tmp_path, 2)
            await installation.wait_for_events(lambda events: len(events) >= 5)
            assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
        async with installation.running() as daemon:
            events = await installation.wait_for_events(has_ends_of(submitted))
            assert await daemon.stop(signal.SIGTERM) == 0
        vendor.check(installation, simulator, submitted, events)
        if vendor is ANTHROPIC:
            assert not {event["type"] for event in events} & {"batch.progress", "batch.stalled"}


@pytest.mark.slow
@pytest.mark.timeout(240)
@EACH_VENDOR
async def test_faults_of_a_vendor_and_a_kill_change_nothing(tmp_path, storage, vendor):
    """The log is the same truth when one request in six fails, in every way, and the daemon is killed amid it."""
    async with simulated(provider=vendor.name, speed=30.0) as simulator:
        simulator.faults = OneInSix()
        brisk = {"request_timeout": "300ms", "poll_interval": "50ms"}
        installation = Installation(tmp_path, simulator.url, provider=vendor.name, **brisk, **storage)
        async with installation.running() as daemon:
            submitted = await vendor.submit(simulator, tmp_path, 1)
            await installation.wait_for_events(lambda events: len(events) >= 5)
            assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
        async with installation.running() as daemon:
            while set(simulator.faulted) < set(TRANSIENT_FAULTS):
                submitted |= await vendor.submit(simulator, tmp_path, 1)
                await installation.wait_for_events(has_ends_of(submitted), seconds=60)
            events = await installation.wait_for_events(has_ends_of(submitted), seconds=60)
            assert await daemon.stop(signal.SIGTERM) == 0
        vendor.check(installation, simulator, submitted, events)
