"""A WebSocket server that sends frames at a fixed rate, one write a frame: ``python -m engine.bench.sender FILE``.

It stands in a process of its own, so that its cost is not the receiver's. FILE holds one frame a line. The port
is printed; each connection that says anything after its handshake gets the first COUNT frames and a close.
Standard library only.
"""
import argparse
import base64
import hashlib
import socket
import struct
import sys
from pathlib import Path
from time import perf_counter_ns

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE = b"\x81", b"\x88\x02\x03\xe8"
SHORT, LONG = 125, 65_535


def framed(payload: bytes) -> bytes:
    """*payload* as one unmasked text frame."""
    if len(payload) <= SHORT:
        return _TEXT + bytes([len(payload)]) + payload
    if len(payload) <= LONG:
        return _TEXT + b"\x7e" + struct.pack(">H", len(payload)) + payload
    return _TEXT + b"\x7f" + struct.pack(">Q", len(payload)) + payload


def shake_hands(connection: socket.socket) -> None:
    """Answer the upgrade request."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(4096)
    lines = (line.partition(b":") for line in request.split(b"\r\n"))
    key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def send_all(connection: socket.socket, frames: list[bytes], gap_ns: int) -> int:
    """Send each frame when it is due; returns how many were more than a gap late."""
    late = 0
    due_ns = perf_counter_ns()
    for frame in frames:
        now_ns = perf_counter_ns()
        late += now_ns - due_ns > gap_ns
        while now_ns < due_ns:
            now_ns = perf_counter_ns()
        connection.sendall(frame)
        due_ns += gap_ns
    return late


def main() -> None:
    """Serve until standard input closes its line or the parent ends."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench.sender")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=int, required=True, help="frames a second")
    parser.add_argument("--count", type=int, required=True, help="frames a connection")
    parser.add_argument("--connections", type=int, required=True, help="connections to serve")
    options = parser.parse_args()
    frames = [framed(line) for line in options.file.read_bytes().splitlines()[: options.count]]
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    for _ in range(options.connections):
        connection, _ = server.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            shake_hands(connection)
            connection.recv(4096)
            late = send_all(connection, frames, 10**9 // options.rate)
            connection.sendall(_CLOSE)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        print(late, flush=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
