"""The real binary between clients and servers that break HTTP/1.1: one meaning or none."""
import json
import os
import socket
import tempfile
import threading
import unittest

from mesh import *


class RawServer:
    """Answers each connection's requests with the given bytes; keeps what it read."""

    def __init__(self, answer, close=False):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answer, self.close_after = answer, close
        self.seen = []
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        data = b""
        with peer:
            try:
                while chunk := peer.recv(65536):
                    data += chunk
                    while b"\r\n\r\n" in data:
                        head, data = data.split(b"\r\n\r\n", 1)
                        self.seen.append(head)
                        peer.sendall(self.answer)
                        if self.close_after:
                            return
            except OSError:
                return

    def close(self):
        self.listener.close()


def converse(port, data, seconds=5.0):
    """Sends `data`, reads to the peer's end; (bytes, whether the peer ended)."""
    with socket.create_connection(("127.0.0.1", port), seconds) as client:
        client.sendall(data)
        got = b""
        try:
            while chunk := client.recv(65536):
                got += chunk
            return got, True
        except ConnectionResetError:
            return got, True
        except TimeoutError:
            return got, False


def read(path):
    with open(path) as file:
        return file.read()


SECOND = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
REQUESTS = {
    "length and chunks": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nContent-Length: 5\r\n\r\n12345G",
    "xchunked": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc",
    "chunked behind a vertical tab": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
    "a folded field": b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "a chunk with a bare line feed": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
    "a chunk longer than it says": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a host with userinfo": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "a fragment": b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a length among the trailers":
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SPLIT = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"
ANSWERS = {
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a folded field": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "an upgrade that nobody asked for": b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "no HTTP": b"SSH-2.0-x\r\n\x00\x01",
    "informational answers without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100,
    "a head above the limit": b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
}


class Desync(unittest.TestCase):
    def proxy(self, answer=OK, close=False, log=None):
        server = RawServer(answer, close)
        self.addCleanup(server.close)
        proxy = Proxy([http_listener("in", "up", log=log)], [cluster("up", server.port)])
        self.addCleanup(proxy.close)
        return proxy, server

    def test_requests_with_two_meanings_are_refused_and_nothing_behind_them_is_obeyed(self):
        proxy, server = self.proxy()
        for name, data in REQUESTS.items():
            with self.subTest(name):
                got, ended = converse(proxy.ports["in"], data + SECOND)
                self.assertRegex(got, rb"^HTTP/1\.1 400 ")
                self.assertEqual(got.count(b"HTTP/1.1 "), 1, got)
                self.assertTrue(ended)
        self.assertFalse([head for head in server.seen if b"smuggled" in head])
        self.assertEqual(proxy.stat("http.in.downstream_cx_protocol_error"), len(REQUESTS))

    def test_a_refused_request_is_logged_with_what_was_wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "log")
            proxy, _ = self.proxy(log=path)
            converse(proxy.ports["in"], b"GET / HTTP/1.1\r\n\r\n")
            converse(proxy.ports["in"], b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 70_000 + b"\r\n\r\n")
            converse(proxy.ports["in"], b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_for(lambda: os.path.exists(path) and len(read(path).splitlines()) == 3)
            lines = [json.loads(line) for line in read(path).splitlines()]
            self.assertEqual([(int(one["code"]), one["flags"], one["details"]) for one in lines],
                             [(400, "DPE", "http1.missing_host"), (431, "DPE", "http1.headers_too_large"),
                              (414, "DPE", "http1.uri_too_long")])
            self.assertEqual(proxy.stat("http.in.downstream_rq_too_large"), 2)

    def test_answers_that_break_the_protocol_are_502_UPE(self):
        for name, answer in ANSWERS.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "log")
                proxy, _ = self.proxy(answer, close=name == "no HTTP", log=path)
                got, _ = converse(proxy.ports["in"], b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                final = [one for one in got.split(b"HTTP/1.1 ")[1:] if not one.startswith(b"103")]
                self.assertRegex(final[0], b"^502 ")
                wait_for(lambda: os.path.exists(path) and read(path))
                self.assertEqual(json.loads(read(path))["flags"], "UPE")

    def test_what_follows_an_answer_is_never_the_next_ones(self):
        proxy, server = self.proxy(OK + SPLIT)
        for _ in range(20):
            got, _ = converse(proxy.ports["in"], b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertTrue(got.endswith(b"\r\n\r\nok"), got)
        self.assertEqual(server.connections, 20)

    def test_an_answer_shorter_than_its_length_is_broken_off(self):
        proxy, _ = self.proxy(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", close=True)
        got, ended = converse(proxy.ports["in"], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        self.assertEqual((got.count(b"HTTP/1.1 "), ended), (1, True), got)

    def test_pipelined_requests_are_answered_in_order(self):
        origin = Origin()
        self.addCleanup(origin.close)
        proxy = Proxy([http_listener("in", "up")], [cluster("up", origin.port)])
        self.addCleanup(proxy.close)
        data = b"".join(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n%02d" % (i, i) for i in range(20))
        data += b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        got, _ = converse(proxy.ports["in"], data)
        bodies = [one.split(b"\r\n\r\n", 1)[1] for one in got.split(b"HTTP/1.1 200 OK")[1:]]
        self.assertEqual(bodies, [b"%02d" % i for i in range(20)] + [b"/last"])


if __name__ == "__main__":
    unittest.main()
