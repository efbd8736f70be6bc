"""A slow reader of a large body slows its sender: two sidecars with mTLS between stay small meanwhile."""
import contextlib
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from mesh import *

GIB = 1 << 30
PSS_MAX_KB = float("inf") if SANITIZED else 12 * 1024  # Each of the two, all that it has mapped and touched.


def pss_kb(proxy):
    with open(f"/proc/{proxy.process.pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


class Source:
    """Answers every request with `size` zero bytes, or takes its body in sips; counts what has left or come."""

    def __init__(self, size, rate):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.size = size
        self.rate = rate
        self.moved = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with peer, contextlib.suppress(ConnectionError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += peer.recv(4096)
            if head.startswith(b"GET"):
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % self.size)
                piece = bytes(1 << 18)
                while self.moved < self.size:
                    peer.sendall(piece)
                    self.moved += len(piece)
                return
            self.moved = len(head.split(b"\r\n\r\n", 1)[1])
            start = time.monotonic()
            while self.moved < self.size:
                self.moved += len(peer.recv(1 << 18))
                ahead = self.moved / self.rate - (time.monotonic() - start)
                if ahead > 0:
                    threading.Event().wait(ahead)
            peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    def close(self):
        self.server.close()


class Backpressure(unittest.TestCase):
    def chain(self, source, between):
        """(outer, inner): client -> outer -> mTLS -> inner -> source."""
        certs = tempfile.TemporaryDirectory()
        self.addCleanup(certs.cleanup)
        make_certs(certs.name, ["web", "shell"])
        inner = Proxy([http_listener("in", "up", **tls("Downstream", certs.name, "web", require_client_certificate=True))],
                      [cluster("up", source.port)])
        self.addCleanup(inner.close)
        outer = Proxy([http_listener("in", "web", route={"timeout": "0s"})],
                      [cluster("web", inner.ports["in"], **between, **tls("Upstream", certs.name, "shell"))])
        self.addCleanup(outer.close)
        return outer, inner

    def watch(self, curl, proxies):
        """Runs curl to its end; the highest PSS of each proxy meanwhile."""
        process = subprocess.Popen(["curl", "-sS", "--max-time", "60", "-w", "%{http_code} %{size_download}", *curl],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        most = [0] * len(proxies)
        while process.poll() is None:
            most = [max(before, pss_kb(proxy)) for before, proxy in zip(most, proxies)]
            threading.Event().wait(0.1)
        out, errors = process.communicate()
        self.assertEqual(process.returncode, 0, errors)
        for kb in most:
            self.assertLess(kb, PSS_MAX_KB)
        return out

    def download(self, between, *protocol):
        source = Source(GIB, 0)
        self.addCleanup(source.close)
        outer, inner = self.chain(source, between)
        got = self.watch([*protocol, "--limit-rate", "250M", "-o", "/dev/null", f"http://127.0.0.1:{outer.ports['in']}/"],
                         (outer, inner))
        self.assertEqual(got, f"200 {GIB}")

    def test_a_slow_reader_in_http2(self):
        self.download(http2(), "--http2-prior-knowledge")

    def test_a_slow_reader_in_http1(self):
        self.download({})

    def test_a_slow_upstream(self):
        source = Source(GIB // 4, 100_000_000)
        self.addCleanup(source.close)
        outer, inner = self.chain(source, http2())
        with tempfile.NamedTemporaryFile() as body:
            body.truncate(source.size)
            got = self.watch(["-T", body.name, "--http2-prior-knowledge", f"http://127.0.0.1:{outer.ports['in']}/"],
                             (outer, inner))
        self.assertTrue(got.startswith("204"), got)

    def test_a_reader_that_stops_stops_the_source(self):
        source = Source(GIB, 0)
        self.addCleanup(source.close)
        outer, inner = self.chain(source, http2())
        with socket.create_connection(("127.0.0.1", outer.ports["in"]), 10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.recv(1000)
            moved = -1
            while moved != source.moved:  # Half a second without a byte.
                moved = source.moved
                threading.Event().wait(0.5)
            self.assertLess(source.moved, 64 << 20)  # Kernel buffers of four sockets, and ours.
            self.assertLess(max(pss_kb(outer), pss_kb(inner)), PSS_MAX_KB)


if __name__ == "__main__":
    unittest.main()
