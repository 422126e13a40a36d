"""`top` outlives a PostgreSQL that is away: it says so, and goes on with what was logged meanwhile."""

from io import StringIO

import anyio
from job_changes import seen
from rich.console import Console
from storage_engines import open_any_store
from tcp_proxy import TcpProxy

from tracker.cli.screens import top_view
from tracker.cli.screens.top_view import NameColumns, TopView
from tracker.store.address import PostgresAddress
from tracker.store.opening import open_reader


class Screen:
    """Stands in for rich's live display: the text of what is shown now."""

    def __init__(self, console):
        self.text, self._console, self._more = "", console, anyio.Event()

    def update(self, renderable, *, refresh):
        assert refresh
        with self._console.capture() as captured:
            self._console.print(renderable)
        self.text = captured.get()
        self._more.set()
        self._more = anyio.Event()

    async def shows(self, words):
        with anyio.fail_after(30):
            while words not in self.text:
                await self._more.wait()


async def test_top_outlives_a_database_that_is_away(postgres_server, postgres_address, monkeypatch):
    """Without a server the screen says why; with it again it shows the job that was logged meanwhile."""
    monkeypatch.setattr(top_view, "REDRAW_INTERVAL", 0.02)
    console = Console(file=StringIO(), width=120, height=40)
    async with TcpProxy(("127.0.0.1", postgres_server.port)).serving() as proxy, open_any_store(postgres_address) as store:
        url = postgres_server.url(postgres_address.url.rpartition("/")[2], port=proxy.port)
        address = PostgresAddress(url=url, replica="reader")
        async with open_reader(address) as reader, anyio.create_task_group() as group:
            screen = Screen(console)
            view = TopView(console, reader, address, None, NameColumns(providers={"default": "mistral"}, receivers=[]))
            group.start_soon(view._redraw, screen)
            await screen.shows("0 active")
            proxy.reset()
            await screen.shows("the log cannot be read, and is tried again: postgresql://postgres@127.0.0.1")
            await store.record("default", [seen("job-1", status="RUNNING")])
            proxy.pass_on()
            await screen.shows("1 active")
            group.cancel_scope.cancel()
