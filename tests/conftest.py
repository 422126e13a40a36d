"""Fixtures that every test may use."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend():
    """The loop that aiosqlite and uvicorn run on."""
    return "asyncio"
