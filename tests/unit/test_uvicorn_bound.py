"""The bound of uvicorn: the version that runs is within it, and has the names that the embedded server overrides."""

import tomllib
from pathlib import Path

import pytest
import uvicorn
from packaging.requirements import Requirement
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_uvicorn_has_an_upper_bound_and_is_within_it():
    """Private names are used, so a minor version that no test ran with cannot be installed."""
    texts = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    (requirement,) = [Requirement(text) for text in texts if text.startswith("uvicorn")]
    assert any(each.operator == "<" for each in requirement.specifier)
    assert requirement.specifier.contains(uvicorn.__version__)


@pytest.mark.parametrize("name", ["capture_signals", "main_loop", "serve", "startup", "shutdown"])
def test_names_of_the_server(name):
    """The server of uvicorn still has the methods that the embedded server overrides or relies on."""
    assert callable(getattr(uvicorn.Server, name))


@pytest.mark.parametrize(
    "name",
    [
        *("connection_made", "data_received", "pause_writing", "resume_writing", "_unset_keepalive_if_required"),
        *("on_message_begin", "on_header", "on_headers_complete", "on_body", "on_message_complete", "on_response_complete"),
    ],
)
def test_names_of_the_protocol(name):
    """The protocol of uvicorn still has the callbacks that the connection limits extend."""
    assert callable(getattr(HttpToolsProtocol, name))
