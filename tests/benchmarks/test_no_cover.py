"""What is measured is the product, without a count of its lines."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]


def test_lines_are_not_counted():
    """Neither here nor in a new thread, such as that of a connection to SQLite, also where the run has `--cov`."""
    with ThreadPoolExecutor(1) as pool:
        assert (sys.gettrace(), pool.submit(sys.gettrace).result()) == (None, None)
