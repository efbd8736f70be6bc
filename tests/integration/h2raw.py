"""An HTTP/2 peer made of bare frames: says whatever a test wants, right or wrong."""
import glob
import os
import select
import socket
import struct
import sys
import time

sys.path[:0] = glob.glob(os.path.join(os.path.dirname(os.environ.get(
    "PINNACE_VENV_PYTHON", os.path.join(os.environ["PINNACE_SOURCE"], "build/venv/bin/python"))),
    "..", "lib", "python3*", "site-packages"))
try:
    import hpack
except ImportError:
    print("SKIPPED: the Python package hpack is not installed: tools/test installs it in build/venv")
    sys.exit(77)

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 0, 1, 2, 3, 5
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 7, 8, 9, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
POST = [(":method", "POST")] + GET[1:]


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def text(value):
    """An HPACK string without Huffman coding (RFC 7541 §5.2)."""
    raw = value.encode("latin-1") if isinstance(value, str) else value
    size = len(raw)
    if size < 127:
        return bytes((size,)) + raw
    head, size = b"\x7f", size - 127
    while size > 127:
        head, size = head + bytes((size & 127 | 128,)), size >> 7
    return head + bytes((size,)) + raw


def block(fields):
    """Literal fields without indexing: any bytes at all (RFC 7541 §6.2.2)."""
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


class Peer:
    """One side of a connection. Keeps what the other side says."""

    def __init__(self, port=None, sock=None, settings=b"", client=True):
        self.sock = sock or socket.create_connection(("127.0.0.1", port), 10)
        self.decoder = hpack.Decoder()
        self.input = b""
        self.frames = []     # (kind, flags, stream, payload)
        self.heads = {}      # By stream: lists of field lists.
        self.bodies = {}
        self.ended = set()
        self.resets = {}     # By stream: error codes.
        self.goaways = []    # (last stream, code)
        self.closed = False
        self.skip = 0 if client else len(PREFACE)
        self.send((PREFACE if client else b"") + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        """False if the other side has closed."""
        try:
            self.sock.sendall(data)
            return True
        except (ConnectionError, socket.timeout, BrokenPipeError):
            return False

    def request(self, stream, fields=GET, last=True):
        return self.send(frame(HEADERS, END_HEADERS | (END_STREAM if last else 0), stream, block(fields)))

    def pump(self, seconds=0.0):
        """Reads what is there, waiting at most `seconds` for the first of it."""
        while not self.closed:
            try:
                if not select.select([self.sock], [], [], seconds)[0]:
                    return
                data = self.sock.recv(1 << 18)
            except (OSError, ValueError):  # Reset, or closed by the test meanwhile.
                data = b""
            seconds = 0
            if not data:
                self.closed = True
            self.input += data
            self.parse()

    def parse(self):
        at = min(self.skip, len(self.input))
        self.skip -= at
        while len(self.input) - at >= 9:
            size = int.from_bytes(self.input[at:at + 3], "big")
            if len(self.input) - at < 9 + size:
                break
            kind, flags = self.input[at + 3], self.input[at + 4]
            stream = int.from_bytes(self.input[at + 5:at + 9], "big")
            self.note(kind, flags, stream, self.input[at + 9:at + 9 + size])
            at += 9 + size
        self.input = self.input[at:]

    def note(self, kind, flags, stream, payload):
        self.frames.append((kind, flags, stream, len(payload)))
        if kind == HEADERS:
            self.heads.setdefault(stream, []).append(self.decoder.decode(payload[5:] if flags & 0x20 else payload))
        elif kind == DATA:
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
        elif kind == RST_STREAM:
            self.resets[stream] = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaways.append(struct.unpack(">II", payload[:8]))
        elif kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.ended.add(stream)

    def wait(self, what, seconds=10.0):
        """Reads until `what` is true; an AssertionError with what came if it never is."""
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end and not self.closed or what(), \
                f"closed={self.closed} goaways={self.goaways} resets={self.resets} heads={self.heads}"
            self.pump(0.05)

    def status(self, stream):
        return dict(self.heads[stream][0]).get(":status")

    def wait_goaway(self, seconds=10.0):
        """The code of the first GOAWAY that tells of an error."""
        self.wait(lambda: any(code for _, code in self.goaways), seconds)
        return next(code for _, code in self.goaways if code)

    def close(self):
        self.sock.close()
