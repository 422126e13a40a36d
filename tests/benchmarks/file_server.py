"""A files API in a process of its own that sends one file as fast as the machine can; its facts are true.

Arguments: the file. It prints its port.
"""

import json
import os
import socketserver
import sys
from pathlib import Path

PATH = Path(sys.argv[1])
SIZE = PATH.stat().st_size


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            path = line.split()[1].decode()
            if path.endswith("/content"):
                self._send(SIZE)
                with PATH.open("rb") as file:
                    self.connection.sendfile(file)
            else:
                body = json.dumps({"id": path.rpartition("/")[2], "bytes": SIZE, "deleted": False}).encode()
                self._send(len(body))
                self.wfile.write(body)

    def _send(self, length):
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        os.write(1, f"{server.server_address[1]}\n".encode())
        server.serve_forever()
