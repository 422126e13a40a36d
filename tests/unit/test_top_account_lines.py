"""The lines of accounts in `top`."""

from io import StringIO

import pytest
from rich.console import Console

from tracker.cli.screens.top_view import NameColumns, TopView


@pytest.mark.parametrize(
    ("providers", "lines"),
    [
        ({"a": "mistral", "b": "mistral"}, ["ok  3 RUNNING", "never seen  "]),
        ({"a": "openai"}, ["ok  openai  3 RUNNING"]),
        ({"a": "openai", "b": "mistral"}, ["ok  openai  3 RUNNING", "never seen  mistral  "]),
    ],
)
def test_accounts_name_their_vendors_where_one_is_not_mistral(providers, lines):
    """With accounts of Mistral alone nothing is added."""
    view = TopView(Console(file=StringIO()), None, None, None, NameColumns(providers=providers, receivers=[]))
    shown = view._account_lines({"a": {"RUNNING": 3}})
    assert [(name, text.plain) for _, name, text in shown] == list(zip(providers, lines, strict=True))
