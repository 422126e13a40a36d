"""A receiver in a process of its own that reports when the first byte of a request came: `python first_byte.py` prints its URL.

It answers each request with the moment, of the clock that all processes of a machine share.
"""

import socket
import sys
import threading
import time
from contextlib import asynccontextmanager

import anyio

CAME = "x-came"


@asynccontextmanager
async def noting():
    """The URL of such a receiver, which lives as long as the context."""
    async with await anyio.open_process([sys.executable, __file__], stderr=None) as server:
        try:
            yield (await server.stdout.receive()).decode().strip()
        finally:
            server.kill()


def converse(connection):
    while request := connection.recv(1 << 16):
        came = time.monotonic()
        head = request.partition(b"\r\n\r\n")[0].lower()
        missing = len(head) + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]) - len(request)
        while missing > 0:
            missing -= len(connection.recv(missing))
        connection.sendall(f"HTTP/1.1 204 Taken\r\n{CAME}: {came!r}\r\n\r\n".encode())


def main():
    with socket.create_server(("127.0.0.1", 0)) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.getsockname()[1]}/hook\n")
        sys.stdout.flush()
        while True:
            threading.Thread(target=converse, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
