"""Fixtures and settings of every test."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")  # the same examples everywhere, and no verdict on how busy the machine is


@pytest.fixture(scope="session")
def anyio_backend():
    """The loop that aiosqlite and uvicorn run on."""
    return "asyncio"
