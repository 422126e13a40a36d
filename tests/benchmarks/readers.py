"""Those who read a stream, in a process of their own: `python readers.py PORT NUMBER EVENTS`.

It prints a line once all are connected, and then, once each has been given the number of events, how many bytes they all were.
"""

import selectors
import socket
import sys

REQUEST = b"GET /api/stream HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: client-%d\r\n\r\n"


def main(port, number, events):
    selector, seen, read = selectors.DefaultSelector(), {}, 0
    for each in range(number):
        reader = socket.create_connection(("127.0.0.1", port))
        reader.sendall(REQUEST % each)
        said = b""
        while b": hello\n\n" not in said:
            piece = reader.recv(4096)
            assert piece, said
            said += piece
        selector.register(reader, selectors.EVENT_READ)
        seen[reader] = 0
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    while any(got < events for got in seen.values()):
        for key, _ in selector.select():
            piece = key.fileobj.recv(1 << 20)
            assert piece, "it ended"
            read += len(piece)
            seen[key.fileobj] += piece.count(b"\nevent: ")
    sys.stdout.write(f"{read}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
