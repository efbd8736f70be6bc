"""HTTP/1.1 through the real binary: every form of message, tunnels, limits in time and number."""
import json
import os
import socket
import tempfile
import threading
import time
import unittest

from mesh import *
from test_http1_desync import RawServer, converse, read


def listener(target="up", log=None, route=None, match=None, **manager):
    made = http_listener("in", target, log=log, route=route)
    config = made["filter_chains"][0]["filters"][0]["typed_config"]
    config.update(manager)
    if match:
        config["route_config"]["virtual_hosts"][0]["routes"][0]["match"] = match
    return made


class Scripted:
    """A server whose handler gets each connection as a socket."""

    def __init__(self, handler):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.errors = []

        def serve(peer):
            with peer:
                peer.settimeout(10)
                try:
                    handler(peer)
                except Exception as error:  # Shown by the test that ends without its answer.
                    self.errors.append(error)

        def accept():
            while True:
                try:
                    peer, _ = self.listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(peer,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def close(self):
        self.listener.close()


def until(peer, mark, data=b""):
    """Reads until `mark` has come; everything read."""
    while mark not in data:
        chunk = peer.recv(65536)
        if not chunk:
            raise AssertionError(f"ended after {data!r}")
        data += chunk
    return data


class Protocol(unittest.TestCase):
    def start(self, listeners, port, **more):
        proxy = Proxy([listeners], [cluster("up", port, **more)])
        self.addCleanup(proxy.close)
        return proxy

    def scripted(self, handler):
        server = Scripted(handler)
        self.addCleanup(server.close)
        return server

    def origin(self):
        origin = Origin()
        self.addCleanup(origin.close)
        return origin

    def connect(self, proxy):
        client = socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10)
        self.addCleanup(client.close)
        return client

    # Messages.

    def test_trailers_pass_both_ways(self):
        seen = []

        def serve(peer):
            seen.append(until(peer, b"x-sum: 1\r\n\r\n"))
            peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-out\r\n\r\n"
                         b"2\r\nok\r\n0\r\nx-out: 2\r\nset-cookie: no\r\n\r\n")

        proxy = self.start(listener(), self.scripted(serve).port)
        client = self.connect(proxy)
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n")
        got = until(client, b"x-out: 2\r\n\r\n")
        self.assertIn(b"\r\n\r\n2\r\nok\r\n0\r\nx-out: 2\r\n\r\n", got)
        self.assertIn(b"3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n", seen[0])

    def test_100_comes_from_the_upstream_and_once(self):
        def serve(peer):
            head = until(peer, b"\r\n\r\n")
            assert b"expect: 100-continue\r\n" in head, head
            assert head.endswith(b"\r\n\r\n"), head
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            until(peer, b"hello")
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        proxy = self.start(listener(), self.scripted(serve).port)
        client = self.connect(proxy)
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        got = until(client, b"\r\n\r\n")
        self.assertEqual(got, b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sendall(b"hello")
        self.assertTrue(until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK"))

    def test_an_upstream_may_refuse_before_the_body_is_sent(self):
        def serve(peer):
            until(peer, b"\r\n\r\n")
            peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            peer.recv(100)

        proxy = self.start(listener(), self.scripted(serve).port)
        got, ended = converse(proxy.ports["in"], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                                                 b"Expect: 100-continue\r\n\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 403 ") and got.endswith(b"\r\n\r\nno") and ended, got)
        self.assertIn(b"\r\nconnection: close\r\n", got)

    def test_100_is_said_in_the_place_of_an_upstream_that_does_not(self):
        def serve(peer):
            until(peer, b"hello")
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        proxy = self.start(listener(), self.scripted(serve).port)
        client = self.connect(proxy)
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(until(client, b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sendall(b"hello")
        self.assertIn(b"200 OK", until(client, b"\r\n\r\n"))

    def test_103_passes_before_the_answer(self):
        proxy = self.start(listener(), RawServer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                                                 b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").port)
        client = self.connect(proxy)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        got = until(client, b"\r\n\r\nok")
        self.assertTrue(got.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"), got)

    def test_answers_without_a_body_leave_the_connection_in_step(self):
        def serve(peer):
            data = b""
            while True:
                data = until(peer, b"\r\n\r\n", data)
                head, data = data.split(b"\r\n\r\n", 1)
                if head.startswith(b"HEAD"):
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                elif b"/304" in head:
                    peer.sendall(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n")
                elif b"/204" in head:
                    peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                else:
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast")

        proxy = self.start(listener(), self.scripted(serve).port)
        client = self.connect(proxy)
        for line in (b"HEAD /", b"GET /304", b"GET /204", b"HEAD /", b"GET /"):
            client.sendall(line + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            got = until(client, b"last" if line == b"GET /" else b"\r\n\r\n")
            self.assertEqual(got.count(b"HTTP/1.1 "), 1)
            self.assertEqual(b"content-length: 1000" in got, line in (b"HEAD /", b"GET /304"), got)
        self.assertEqual(proxy.stat("cluster.up.upstream_cx_total"), 1)

    def test_http_10_closes_unless_it_asks_to_stay(self):
        proxy = self.start(listener(), self.origin().port)
        got, ended = converse(proxy.ports["in"], b"GET /a HTTP/1.0\r\n\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(b"\r\n\r\n/a") and ended, got)
        self.assertIn(b"\r\nconnection: close\r\n", got)
        client = self.connect(proxy)
        for _ in range(2):
            client.sendall(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            self.assertIn(b"connection: keep-alive\r\n", until(client, b"\r\n\r\n/a"))
        # A body whose length is unknown ends with the connection.
        chunks = self.start(listener(), RawServer(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").port)
        got, ended = converse(chunks.ports["in"], b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertTrue(ended and got.endswith(b"\r\n\r\nok") and b"transfer-encoding" not in got, got)

    def test_the_absolute_form_wins_over_host(self):
        server = RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.addCleanup(server.close)
        proxy = self.start(listener(), server.port)
        converse(proxy.ports["in"], b"GET http://b.example:81/p?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assertTrue(server.seen[0].startswith(b"GET /p?q HTTP/1.1\r\nhost: b.example:81\r\n"), server.seen)
        self.assertEqual(server.seen[0].lower().count(b"host:"), 1)

    def test_a_client_that_ends_its_side_still_gets_the_answer(self):
        proxy = self.start(listener(), self.origin().port)
        client = self.connect(proxy)
        client.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        client.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := client.recv(65536):
            got += chunk
        self.assertTrue(got.endswith(b"\r\n\r\nabc"), got)

    def test_an_early_answer_keeps_or_ends_the_connection_in_step(self):
        proxy = self.start(listener(), RawServer(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n").port)
        client = self.connect(proxy)
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b" 413 ", until(client, b"\r\n\r\n"))
        client.sendall(b"x" * (1000 - 38))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        rest = b""
        while chunk := client.recv(65536):
            rest += chunk
        self.assertEqual(rest.count(b"HTTP/1.1 "), 1, rest)

    # Tunnels.

    def test_connect_is_a_tunnel_where_it_is_allowed(self):
        def serve(peer):
            head = until(peer, b"\r\n\r\n")
            assert head.startswith(b"CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n"), head
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello ")
            while data := peer.recv(1000):
                peer.sendall(data.upper())

        server = self.scripted(serve)
        match = {"connect_matcher": {}}
        proxy = self.start(listener(match=match, upgrade_configs=[{"upgrade_type": "CONNECT"}]), server.port)
        client = self.connect(proxy)
        client.sendall(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
        got = until(client, b"hello ")
        self.assertNotIn(b"content-length", got)
        self.assertNotIn(b"transfer-encoding", got)
        client.sendall(b"raw")
        self.assertEqual(until(client, b"RAW"), b"RAW")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(10), b"")
        refused = self.start(listener(match=match), server.port)
        got, _ = converse(refused.ports["in"], b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nraw")
        self.assertTrue(got.startswith(b"HTTP/1.1 403 "), got)

    def test_an_upgrade_is_refused_where_it_is_not_allowed_and_h2c_is_declined(self):
        proxy = self.start(listener(), self.origin().port)
        ask = b"GET /u HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAAA\r\nUpgrade: "
        got, ended = converse(proxy.ports["in"], ask + b"websocket\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 403 ") and ended and got.count(b"HTTP/1.1 ") == 1, got)
        client = self.connect(proxy)
        client.sendall(ask + b"h2c\r\n\r\n")
        self.assertTrue(until(client, b"\r\n\r\n/u").startswith(b"HTTP/1.1 200 "))

    def test_an_upstream_that_declines_the_upgrade_answers_as_usual(self):
        proxy = self.start(listener(upgrade_configs=[{"upgrade_type": "websocket"}]), self.origin().port)
        got, ended = converse(proxy.ports["in"], b"GET /u HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                                                 b"Upgrade: websocket\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 200 ") and got.endswith(b"\r\n\r\n/u") and ended, got)
        self.assertEqual(got.count(b"HTTP/1.1 "), 1)
        self.assertEqual(proxy.stat("http.in.downstream_rq_active"), 0)

    # Limits.

    def test_a_head_that_does_not_end_is_408(self):
        proxy = self.start(listener(request_headers_timeout="0.2s"), 1)
        got, ended = converse(proxy.ports["in"], b"GET / HTTP/1.1\r\nHost: a\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 408 ") and ended, got)
        self.assertEqual(proxy.stat("http.in.downstream_rq_header_timeout"), 1)

    def test_a_request_that_does_not_end_is_408(self):
        proxy = self.start(listener(request_timeout="0.2s"), self.origin().port)
        got, ended = converse(proxy.ports["in"], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        self.assertTrue(got.startswith(b"HTTP/1.1 408 ") and ended and got.endswith(b"request timeout"), got)
        self.assertEqual(proxy.stat("http.in.downstream_rq_timeout"), 1)

    def test_a_stream_that_lasts_too_long_is_ended(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        slow = Origin(gate=gate)
        self.addCleanup(slow.close)
        for config in ({"common_http_protocol_options": {"max_stream_duration": "0.2s"}},
                       {"route": {"max_stream_duration": {"max_stream_duration": "0.2s"}}}):
            with tempfile.TemporaryDirectory() as folder:
                log = os.path.join(folder, "log")
                proxy = self.start(listener(log=log, **config), slow.port)
                self.assertEqual(request(proxy.ports["in"])[::2], (504, b"downstream duration timeout"))
                wait_for(lambda: os.path.exists(log) and read(log))
                line = json.loads(read(log))
                self.assertEqual((line["flags"], line["details"]), ("-", "max_duration_timeout"))
                self.assertEqual(proxy.stat("http.in.downstream_rq_max_duration_reached"), 1)

    def test_a_quiet_stream_is_ended_after_the_routes_own_time(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        slow = Origin(gate=gate)
        self.addCleanup(slow.close)
        proxy = self.start(listener(route={"idle_timeout": "0.2s"}), slow.port)
        self.assertEqual(request(proxy.ports["in"])[::2], (504, b"stream timeout"))

    def test_connections_end_after_their_requests_their_time_or_their_idleness(self):
        origin = self.origin()
        ask = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
        proxy = self.start(listener(common_http_protocol_options={"max_requests_per_connection": 2}), origin.port)
        got, ended = converse(proxy.ports["in"], ask % 1 + ask % 2 + ask % 3)
        self.assertTrue(ended and got.endswith(b"\r\n\r\n/2"), got)
        self.assertEqual(got.count(b"connection: close"), 1)
        self.assertEqual(proxy.stat("http.in.downstream_cx_max_requests_reached"), 1)
        for option, stat in (("max_connection_duration", "downstream_cx_max_duration_reached"),
                             ("idle_timeout", "downstream_cx_idle_timeout")):
            proxy = self.start(listener(common_http_protocol_options={option: "0.2s"}), origin.port)
            got, ended = converse(proxy.ports["in"], ask % 1)
            self.assertTrue(ended and got.endswith(b"\r\n\r\n/1"), got)
            self.assertEqual(proxy.stat("http.in." + stat), 1)

    def test_the_head_limit_is_the_configured_one(self):
        proxy = self.start(listener(max_request_headers_kb=1), self.origin().port)
        head = b"GET /%s HTTP/1.1\r\nHost: a\r\nA: %s\r\n\r\n"
        self.assertIn(b" 414 ", converse(proxy.ports["in"], head % (b"a" * 1100, b""))[0])
        self.assertIn(b" 431 ", converse(proxy.ports["in"], head % (b"", b"a" * 1100))[0])
        self.assertEqual(request(proxy.ports["in"], "/" + "a" * 500)[0], 200)

    # Names and paths.

    def test_names_with_underscores_are_kept_dropped_or_refused(self):
        ask = b"GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\nConnection: close\r\n\r\n"
        for action, status, kept in (("ALLOW", b"200", True), ("DROP_HEADER", b"200", False),
                                     ("REJECT_REQUEST", b"400", None)):
            server = RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            self.addCleanup(server.close)
            proxy = self.start(listener(common_http_protocol_options={"headers_with_underscores_action": action}),
                               server.port)
            self.assertIn(b" " + status + b" ", converse(proxy.ports["in"], ask)[0])
            self.assertEqual(b"x_a: 1" in server.seen[0] if server.seen else None, kept)
            self.assertEqual(proxy.stat("http.in.http1.dropped_headers_with_underscores"), kept is False)
            self.assertEqual(proxy.stat("http.in.http1.requests_rejected_with_underscores_in_headers"), kept is None)

    def test_paths_get_one_spelling(self):
        origin = self.origin()
        rules = {"normalize_path": True, "merge_slashes": True}
        for action, path, expected in (
                ("KEEP_UNCHANGED", "/a/%2e%2e//b", (200, b"/b")),
                ("KEEP_UNCHANGED", "/a%2fb", (200, b"/a%2fb")),
                ("UNESCAPE_AND_FORWARD", "/a%2f..%5cb", (200, b"/b")),
                ("REJECT_REQUEST", "/a%2fb", (400, b"")),
                ("UNESCAPE_AND_REDIRECT", "/a%2fb?c", (307, b"")),
                ("KEEP_UNCHANGED", "/a%00", (400, b""))):
            with self.subTest(action + path):
                proxy = self.start(listener(path_with_escaped_slashes_action=action, **rules), origin.port)
                status, headers, body = request(proxy.ports["in"], path)
                self.assertEqual((status, body), expected)
                if status == 307:
                    self.assertEqual(headers["location"], "/a/b?c")

    def test_the_server_header_is_ours_added_or_left(self):
        for kind, expected in (("OVERWRITE", "mesh"), ("APPEND_IF_ABSENT", "real"), ("PASS_THROUGH", "real")):
            server = RawServer(b"HTTP/1.1 200 OK\r\nServer: real\r\nContent-Length: 0\r\n\r\n")
            self.addCleanup(server.close)
            proxy = self.start(listener(server_name="mesh", server_header_transformation=kind), server.port)
            self.assertEqual(request(proxy.ports["in"])[1]["server"], expected)


if __name__ == "__main__":
    unittest.main()
