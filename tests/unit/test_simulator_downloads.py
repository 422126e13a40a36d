"""A simulated download whose client leaves."""

from tracker.simulator.faults.download_faults import download
from tracker.simulator.files.content import UploadedContent


class Closing:
    """A transport that is being closed, and is not closed yet."""

    def is_closing(self):
        return True


async def test_a_download_ends_after_its_connection():
    """It sends no content on a connection that is closing, and returns once that is closed: the server warns otherwise."""
    happened = []

    async def receive():
        happened.append("closed")
        return {"type": "http.disconnect"}

    async def send(message):
        happened.append(message["type"])

    scope = {"type": "http", "method": "GET", "extensions": {"transport": Closing()}}
    await download(UploadedContent(b"line\n" * 1000), 0.0)(scope, receive, send)
    assert happened == ["http.response.start", "closed"]
