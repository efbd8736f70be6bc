"""HTTP/2 towards upstreams and clients: sharing, refusals, draining, PINGs, time-outs, upgrades, gRPC's answers."""
import socket
import threading
import unittest

from mesh import *
from h2raw import *

GRPC = POST + [("content-type", "application/grpc"), ("te", "trailers")]
UNIT = struct.pack(">HI", 3, 1)  # SETTINGS: one stream at a time.


def with_path(path, fields=GET):
    return [(name, path if name == ":path" else value) for name, value in fields]


class Upstream:
    """An HTTP/2 server whose every connection runs `serve(peer, number)` on a thread."""

    def __init__(self, serve, settings=b""):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.serve = serve
        self.settings = settings
        self.peers = []
        self.errors = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            peer = Peer(sock=sock, client=False, settings=self.settings)
            self.peers.append(peer)
            threading.Thread(target=self.run, args=(peer, len(self.peers)), daemon=True).start()

    def run(self, peer, number):
        try:
            self.serve(peer, number)
        except AssertionError as error:
            if not peer.closed:
                self.errors.append(error)

    def close(self):
        self.server.close()
        for peer in self.peers:
            peer.close()


def answer(peer, stream, fields=((":status", "200"),), body=None, last=True):
    peer.send(frame(HEADERS, END_HEADERS | (END_STREAM if last and body is None else 0), stream, block(fields)))
    if body is not None:
        peer.send(frame(DATA, END_STREAM if last else 0, stream, body))


def answer_all(peer, _):
    """Answers each request when it is whole, for as long as the connection lives."""
    done = set()
    while not peer.closed:
        peer.pump(0.05)
        for stream in sorted(peer.ended - done):
            done.add(stream)
            answer(peer, stream, body=b"ok")


class Connections(unittest.TestCase):
    def upstream(self, serve=answer_all, **more):
        upstream = Upstream(serve, **more)
        self.addCleanup(upstream.close)
        self.addCleanup(lambda: self.assertEqual(upstream.errors, []))
        return upstream

    def proxy(self, upstream, manager=None, route=None, options=None, common=None, **more):
        listener = http_listener("in", "up", route=route)
        listener["filter_chains"][0]["filters"][0]["typed_config"].update(manager or {})
        settings = http2(**(options or {}))
        if common:
            next(iter(settings["typed_extension_protocol_options"].values()))["common_http_protocol_options"] = common
        proxy = Proxy([listener], [cluster("up", upstream.port, **settings, **more)])
        self.addCleanup(proxy.close)
        return proxy

    def peer(self, proxy, **more):
        peer = Peer(proxy.ports["in"], **more)
        self.addCleanup(peer.close)
        return peer

    def test_many_streams_share_one_connection(self):
        gate = threading.Event()

        def serve(peer, number):
            peer.wait(lambda: len(peer.ended) == 300)
            gate.wait(10)
            answer_all(peer, number)

        upstream = self.upstream(serve)
        proxy = self.proxy(upstream)
        peer = self.peer(proxy)
        for i in range(300):  # More than may be sent before the upstream has said how many it takes.
            peer.request(2 * i + 1)
        wait_for(lambda: proxy.stat("cluster.up.http2.streams_active") == 300)
        gate.set()
        peer.wait(lambda: len(peer.ended) == 300)
        self.assertEqual(proxy.stat("cluster.up.upstream_cx_total"), 1)

    def test_a_second_connection_comes_when_streams_run_out(self):
        gate = threading.Event()

        def serve(peer, number):
            peer.wait(lambda: len(peer.ended) >= 1)
            gate.wait(10)
            answer_all(peer, number)

        upstream = self.upstream(serve, settings=UNIT)
        proxy = self.proxy(upstream)
        peer = self.peer(proxy)
        peer.request(1)
        wait_for(lambda: upstream.peers and upstream.peers[0].ended)
        for i in range(1, 4):
            peer.request(2 * i + 1)
        wait_for(lambda: len(upstream.peers) == 4 and all(one.ended for one in upstream.peers))
        gate.set()
        peer.wait(lambda: len(peer.ended) == 4)
        self.assertEqual({peer.status(2 * i + 1) for i in range(4)}, {"200"})

    def test_our_own_stream_limit_opens_connections_too(self):
        gate = threading.Event()

        def serve(peer, number):
            peer.wait(lambda: len(peer.ended) >= 2)
            gate.wait(10)
            answer_all(peer, number)

        upstream = self.upstream(serve)
        proxy = self.proxy(upstream, options={"max_concurrent_streams": 2})
        peer = self.peer(proxy)
        for i in range(6):
            peer.request(2 * i + 1)
        wait_for(lambda: len(upstream.peers) == 3)
        gate.set()
        peer.wait(lambda: len(peer.ended) == 6)

    def test_a_refused_post_is_sent_again_by_itself(self):
        def serve(peer, number):
            if number > 1:
                return answer_all(peer, number)
            peer.wait(lambda: peer.ended)
            peer.send(frame(RST_STREAM, 0, 1, b"\0\0\0\x07"))
            peer.send(frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0"))
            peer.wait(lambda: peer.closed)

        proxy = self.proxy(self.upstream(serve))
        peer = self.peer(proxy)
        peer.request(1, POST, last=False)
        peer.send(frame(DATA, END_STREAM, 1, b"body"))
        peer.wait(lambda: 1 in peer.ended)
        self.assertEqual(peer.status(1), "200")

    def test_goaway_sends_the_streams_above_its_last_elsewhere_and_lets_the_others_end(self):
        def serve(peer, number):
            if number > 1:
                return answer_all(peer, number)
            peer.wait(lambda: len(peer.ended) == 3)
            peer.send(frame(GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\0"))
            answer(peer, 1, body=b"first")
            peer.wait(lambda: peer.closed)

        upstream = self.upstream(serve)
        peer = self.peer(self.proxy(upstream))
        for stream in (1, 3, 5):
            peer.request(stream, POST, last=False)
            peer.send(frame(DATA, END_STREAM, stream, b"body"))
        peer.wait(lambda: len(peer.ended) == 3)
        self.assertEqual(sorted(peer.bodies.values()), [b"first", b"ok", b"ok"])
        self.assertEqual(upstream.peers[1].bodies, {1: b"body", 3: b"body"})

    def test_a_reset_that_may_have_been_processed_is_not_sent_again(self):
        def serve(peer, _):
            peer.wait(lambda: peer.ended)
            peer.send(frame(RST_STREAM, 0, 1, b"\0\0\0\x02"))
            peer.wait(lambda: peer.closed)

        upstream = self.upstream(serve)
        peer = self.peer(self.proxy(upstream))
        peer.request(1)
        peer.wait(lambda: 1 in peer.ended)
        self.assertEqual(peer.status(1), "503")
        self.assertIn(b"reset reason: remote reset", peer.bodies[1])
        self.assertEqual(len(upstream.peers[0].ended), 1)

    def test_a_stream_that_is_lost_with_its_connection_is_not_sent_again(self):
        def serve(peer, number):
            if number > 1:
                return answer_all(peer, number)
            peer.wait(lambda: 1 in peer.ended)
            answer(peer, 1)
            peer.wait(lambda: 3 in peer.ended)
            peer.close()

        upstream = self.upstream(serve, settings=UNIT)
        proxy = self.proxy(upstream)
        peer = self.peer(proxy)
        peer.request(1)
        peer.wait(lambda: 1 in peer.ended)
        peer.request(3)
        peer.wait(lambda: 3 in peer.ended)
        self.assertEqual(peer.status(3), "503")
        peer.request(5)
        peer.wait(lambda: 5 in peer.ended)
        self.assertEqual(peer.status(5), "200")
        self.assertEqual(proxy.stat("cluster.up.upstream_rq_total"), 3)

    def test_a_reset_after_a_whole_answer_takes_nothing_from_it(self):
        body = b"x" * 16000

        def serve(peer, _):
            peer.wait(lambda: 1 in peer.heads)
            answer(peer, 1, body=body)
            peer.send(frame(RST_STREAM, 0, 1, b"\0\0\0\0"))
            peer.wait(lambda: peer.closed)

        peer = self.peer(self.proxy(self.upstream(serve)))
        peer.request(1, POST, last=False)
        peer.wait(lambda: 1 in peer.ended)
        self.assertEqual((peer.status(1), peer.bodies[1]), ("200", body))
        peer.wait(lambda: 1 in peer.resets)
        self.assertEqual(peer.resets[1], NO_ERROR)

    def test_grpc_messages_pass_both_ways_as_they_come(self):
        def serve(peer, _):
            peer.wait(lambda: 1 in peer.heads)
            answer(peer, 1, [(":status", "200"), ("content-type", "application/grpc")], last=False)
            for i in range(1, 4):
                peer.wait(lambda: len(peer.bodies.get(1, b"")) == 6 * i)
                peer.send(frame(DATA, 0, 1, b"\0\0\0\0\1" + str(i).encode()))
            peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block([("grpc-status", "0")])))
            peer.wait(lambda: peer.closed)

        peer = self.peer(self.proxy(self.upstream(serve)))
        peer.request(1, GRPC, last=False)
        peer.wait(lambda: 1 in peer.heads)
        for i in range(1, 4):
            peer.send(frame(DATA, 0, 1, b"\0\0\0\0\1a"))
            peer.wait(lambda: len(peer.bodies.get(1, b"")) == 6 * i)
        peer.wait(lambda: 1 in peer.ended)
        self.assertEqual(peer.heads[1][1], [("grpc-status", "0")])

    def test_a_grpc_status_that_is_listed_is_tried_again(self):
        def serve(peer, _):
            done = set()
            while not peer.closed:
                peer.pump(0.05)
                for stream in sorted(peer.ended - done):
                    done.add(stream)
                    answer(peer, stream, [(":status", "200"), ("content-type", "application/grpc"),
                                          ("grpc-status", "14" if len(done) == 1 else "0")])

        proxy = self.proxy(self.upstream(serve), route={"retry_policy": {"retry_on": "unavailable", "num_retries": 2}})
        peer = self.peer(proxy)
        peer.request(1, GRPC)
        peer.wait(lambda: 1 in peer.ended)
        self.assertEqual(dict(peer.heads[1][0])["grpc-status"], "0")
        self.assertEqual(proxy.stat("cluster.up.upstream_rq_retry"), 1)

    def late(self, route, fields=GRPC):
        def serve(peer, _):
            peer.wait(lambda: peer.closed, 20)

        peer = self.peer(self.proxy(self.upstream(serve), route=route))
        start = time.monotonic()
        peer.request(1, fields + [("grpc-timeout", "300m")])
        peer.wait(lambda: 1 in peer.ended)
        self.assertGreater(time.monotonic() - start, 0.25)
        head = dict(peer.heads[1][0])
        return head[":status"], head.get("grpc-status"), head.get("grpc-message"), peer.bodies.get(1)

    def test_late_answers_have_the_status_that_envoy_gives(self):
        late = ("200", "14", "upstream request timeout", None)
        over = ("200", "4", "downstream duration timeout", None)
        self.assertEqual(self.late({"timeout": "0.3s"}), late)
        self.assertEqual(self.late({"max_grpc_timeout": "10s"}), late)
        self.assertEqual(self.late({"max_stream_duration": {"grpc_timeout_header_max": "0s"}}), over)
        self.assertEqual(self.late({"max_stream_duration": {"max_stream_duration": "0.3s"}}), over)
        self.assertEqual(self.late({"timeout": "9s", "max_stream_duration": {"max_stream_duration": "0.3s"}}, POST),
                         ("504", None, None, b"downstream duration timeout"))

    def test_a_stream_that_is_too_long_ends_though_both_sides_talk(self):
        def serve(peer, _):
            peer.wait(lambda: 1 in peer.heads)
            answer(peer, 1, last=False)
            while not peer.resets and not peer.closed:
                peer.send(frame(DATA, 0, 1, b"tick"))
                peer.pump(0.05)

        proxy = self.proxy(self.upstream(serve), manager={"common_http_protocol_options": {
            "max_stream_duration": "0.5s"}})
        peer = self.peer(proxy)
        peer.request(1)
        peer.wait(lambda: 1 in peer.resets)
        self.assertIn(b"tick", peer.bodies[1])
        self.assertEqual(proxy.stat("http.in.downstream_rq_max_duration_reached"), 1)
        wait_for(lambda: proxy.stat("cluster.up.upstream_rq_active") == 0)

    def test_a_dead_upstream_is_found_out_by_pings(self):
        def serve(peer, number):
            if number > 1:
                return answer_all(peer, number)
            peer.wait(lambda: peer.ended)  # And not a frame is read after that.

        upstream = self.upstream(serve)
        proxy = self.proxy(upstream, options={"connection_keepalive": {"interval": "0.2s", "timeout": "1s"}})
        peer = self.peer(proxy)
        peer.request(1)
        peer.wait(lambda: 1 in peer.ended)
        self.assertEqual(peer.status(1), "503")
        self.assertEqual(proxy.stat("cluster.up.http2.keepalive_timeout"), 1)
        peer.request(3)
        peer.wait(lambda: 3 in peer.ended)
        self.assertEqual(peer.status(3), "200")

    def test_a_dead_client_is_found_out_by_pings(self):
        proxy = self.proxy(self.upstream(), manager={"http2_protocol_options": {
            "connection_keepalive": {"interval": "0.2s", "timeout": "1s"}}})
        alive = self.peer(proxy)
        alive.request(1)
        silent = self.peer(proxy)
        wait_for(lambda: alive.pump(0.05) or proxy.stat("http2.keepalive_timeout") == 1)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            alive.pump(0.05)
        self.assertEqual(proxy.stat("http2.keepalive_timeout"), 1)
        self.assertFalse(alive.closed)
        self.assertTrue(silent.sock.recv(1))

    def drains(self, manager, stat, first=1):
        """The connection is told twice to go away, its running stream ends, a new one goes elsewhere."""
        gate = threading.Event()

        def serve(peer, number):
            peer.wait(lambda: peer.ended)
            gate.wait(10)
            answer_all(peer, number)

        proxy = self.proxy(self.upstream(serve), manager=manager)
        peer = self.peer(proxy)
        for i in range(first):
            peer.request(2 * i + 1)
        peer.wait(lambda: len(peer.goaways) == 2)
        self.assertEqual(peer.goaways, [(2 ** 31 - 1, NO_ERROR), (2 * first - 1, NO_ERROR)])
        self.assertFalse(peer.ended)
        gate.set()
        peer.wait(lambda: len(peer.ended) == first)
        peer.wait(lambda: peer.closed)
        self.assertEqual(proxy.stat(stat), 1)
        self.assertEqual(peer.resets, {})

    def test_a_connection_drains_at_its_age(self):
        self.drains({"common_http_protocol_options": {"max_connection_duration": "1s"}},
                    "http.in.downstream_cx_max_duration_reached")

    def test_a_connection_drains_after_its_requests(self):
        self.drains({"common_http_protocol_options": {"max_requests_per_connection": 3}},
                    "http.in.downstream_cx_max_requests_reached", first=3)

    def test_a_client_that_answers_no_ping_is_told_the_last_goaway_all_the_same(self):
        proxy = self.proxy(self.upstream(), manager={"drain_timeout": "0.3s", "common_http_protocol_options": {
            "max_connection_duration": "0.2s"}})
        with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as mute:
            mute.sendall(PREFACE + frame(SETTINGS))
            got = b""
            while chunk := mute.recv(65536):
                got += chunk
            self.assertEqual(got.count(frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0")), 1)

    def test_upstream_connections_end_at_their_age_and_after_their_requests(self):
        for common, stat in (({"max_connection_duration": "0.2s"}, "upstream_cx_max_duration_reached"),
                             ({"max_requests_per_connection": 2}, "upstream_cx_max_requests")):
            with self.subTest(stat):
                upstream = self.upstream()
                proxy = self.proxy(upstream, common=common)
                peer = self.peer(proxy)
                for stream in (1, 3):
                    peer.request(stream)
                    peer.wait(lambda: stream in peer.ended)
                wait_for(lambda: upstream.peers[0].closed)
                peer.request(5)
                peer.wait(lambda: 5 in peer.ended)
                self.assertEqual(peer.status(5), "200")
                self.assertGreaterEqual(proxy.stat("cluster.up." + stat), 1)

    # Tunnels.
    def echo_tunnel(self, fields):
        def serve(peer, _):
            peer.wait(lambda: 1 in peer.heads)
            self.seen = dict(peer.heads[1][0])
            answer(peer, 1, last=False)
            sent = 0
            while not peer.closed and 1 not in peer.ended:
                peer.pump(0.05)
                data = peer.bodies.get(1, b"")[sent:]
                sent += len(data)
                if data:
                    peer.send(frame(DATA, 0, 1, data.upper()))
            peer.send(frame(DATA, END_STREAM, 1))

        return self.upstream(serve, settings=struct.pack(">HI", 8, 1))

    WEBSOCKET = {"upgrade_configs": [{"upgrade_type": "websocket"}]}

    def test_a_websocket_by_extended_connect_on_both_sides(self):
        peer = self.peer(self.proxy(self.echo_tunnel(None), manager=self.WEBSOCKET))
        peer.request(1, [(":method", "CONNECT"), (":protocol", "websocket"), *with_path("/chat")[1:],
                         ("sec-websocket-version", "13")], last=False)
        peer.wait(lambda: 1 in peer.heads)
        self.assertEqual(peer.status(1), "200")
        peer.send(frame(DATA, 0, 1, b"hello"))
        peer.wait(lambda: peer.bodies.get(1) == b"HELLO")
        self.assertEqual((self.seen[":method"], self.seen[":protocol"], self.seen[":path"]),
                         ("CONNECT", "websocket", "/chat"))
        peer.send(frame(DATA, END_STREAM, 1))
        peer.wait(lambda: 1 in peer.ended)

    def test_a_websocket_from_http1_goes_up_as_extended_connect(self):
        proxy = self.proxy(self.echo_tunnel(None), manager=self.WEBSOCKET)
        with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as client:
            client.sendall(b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.assertTrue(head.startswith(b"HTTP/1.1 101"), head)
            self.assertIn(b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", head)
            client.sendall(b"hello")
            self.assertEqual(client.recv(100), b"HELLO")

    def test_a_websocket_by_extended_connect_goes_up_as_http1(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        seen = []

        def serve():
            sock, _ = server.accept()
            with sock:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += sock.recv(4096)
                seen.append(head.lower())
                sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                while data := sock.recv(4096):
                    sock.sendall(data.upper())

        threading.Thread(target=serve, daemon=True).start()
        listener = http_listener("in", "up")
        listener["filter_chains"][0]["filters"][0]["typed_config"].update(self.WEBSOCKET)
        proxy = Proxy([listener], [cluster("up", server.getsockname()[1])])
        self.addCleanup(proxy.close)
        peer = self.peer(proxy)
        peer.request(1, [(":method", "CONNECT"), (":protocol", "websocket"), *with_path("/chat")[1:]], last=False)
        peer.wait(lambda: 1 in peer.heads)
        self.assertEqual(peer.status(1), "200")
        self.assertIn(b"get /chat http/1.1\r\n", seen[0])
        self.assertIn(b"upgrade: websocket\r\n", seen[0])
        self.assertRegex(seen[0], rb"sec-websocket-key: [a-z0-9+/]{22}==\r\n")
        peer.send(frame(DATA, 0, 1, b"hello"))
        peer.wait(lambda: peer.bodies.get(1) == b"HELLO")

    def test_an_upgrade_that_is_not_allowed_is_403(self):
        peer = self.peer(self.proxy(self.upstream()))
        peer.request(1, [(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]], last=False)
        peer.wait(lambda: 1 in peer.heads)
        self.assertEqual(peer.status(1), "403")

    def test_connect_passes_where_a_route_takes_it(self):
        upstream = self.echo_tunnel(None)
        listener = http_listener("in", "up", routes=[{"match": {"connect_matcher": {}}, "route": {"cluster": "up"}}])
        listener["filter_chains"][0]["filters"][0]["typed_config"]["upgrade_configs"] = [{"upgrade_type": "CONNECT"}]
        proxy = Proxy([listener], [cluster("up", upstream.port, **http2())])
        self.addCleanup(proxy.close)
        peer = self.peer(proxy)
        peer.request(1, [(":method", "CONNECT"), (":authority", "db:5432")], last=False)
        peer.wait(lambda: 1 in peer.heads)
        peer.send(frame(DATA, 0, 1, b"hello"))
        peer.wait(lambda: peer.bodies.get(1) == b"HELLO")
        self.assertEqual(self.seen, {":method": "CONNECT", ":authority": "db:5432", **{
            k: v for k, v in self.seen.items() if k.startswith("x-")}})


if __name__ == "__main__":
    unittest.main()
