"""Connections to upstreams: who is asked again, and when a connection is let go."""
import socket
import struct
import threading
import time
import unittest

from mesh import *
from test_http1_protocol import Scripted, listener, until

OPTIONS = TYPES + ".upstreams.http.v3.HttpProtocolOptions"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def options(**common):
    return {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": OPTIONS, "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": common}}}


class Counted:
    """A server that does `then(peer, connection's number)` after its first answer on a connection."""

    def __init__(self, test, then, answer=OK):
        self.requests = []
        self.lock = threading.Lock()
        numbers = iter(range(1000))

        def serve(peer):
            number = next(numbers)
            data = self.take(peer)
            peer.sendall(answer)
            then(self, peer, number, data)

        self.server = Scripted(serve)
        self.port = self.server.port
        test.addCleanup(self.server.close)

    def take(self, peer, data=b""):
        data = until(peer, b"\r\n\r\n", data)
        head, rest = data.split(b"\r\n\r\n", 1)
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length: "):
                while len(rest) < int(line[16:]):
                    rest += peer.recv(65536)
        with self.lock:
            self.requests.append(head.split(b" ", 2)[:2])
        return rest


class Pool(unittest.TestCase):
    def start(self, server, **more):
        proxy = Proxy([listener()], [cluster("up", server.port, **more)])
        self.addCleanup(proxy.close)
        return proxy

    def test_a_request_that_was_read_is_never_sent_again(self):
        """Closed or reset after the second request was read: whatever its method, once is enough."""
        def close(server, peer, number, data):
            server.take(peer)

        def reset(server, peer, number, data):
            server.take(peer)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        for then in (close, reset):
            for method, body in (("GET", None), ("POST", b"abc"), ("PUT", b"abc")):
                with self.subTest(then.__name__ + method):
                    server = Counted(self, then)
                    proxy = self.start(server)
                    self.assertEqual(request(proxy.ports["in"], "/1")[0], 200)
                    self.assertEqual(request(proxy.ports["in"], "/2", method, body)[0], 503)
                    self.assertEqual([one[1] for one in server.requests], [b"/1", b"/2"])
                    self.assertEqual(proxy.stat("cluster.up.upstream_rq_resent_undelivered"), 0)

    def test_a_request_that_met_a_closed_connection_is_sent_again_even_a_post(self):
        """The server closes idle connections at the moment when the next request comes."""
        ready, go = threading.Event(), threading.Event()

        def close(server, peer, number, data):
            if number % 2 == 0:
                ready.set()
                go.wait(10)
                peer.close()
            else:
                server.take(peer)
                peer.sendall(OK)

        for round_number in range(20):
            ready.clear(), go.clear()
            server = Counted(self, close)
            proxy = self.start(server)
            self.assertEqual(request(proxy.ports["in"], "/1")[0], 200)
            self.assertTrue(ready.wait(10))
            proxy_answers = []
            client = threading.Thread(target=lambda: proxy_answers.append(
                request(proxy.ports["in"], "/2", "POST", b"abc")[0]))
            if round_number % 2:
                go.set()
                client.start()
            else:
                client.start()
                time.sleep(0)
                go.set()
            client.join(20)
            seen = [one[1] for one in server.requests].count(b"/2")
            # Either the close came first and it was sent again, or it was lost for certain only once.
            self.assertIn((proxy_answers[0], seen), ((200, 1), (503, 0)))
            proxy.close()

    def test_an_idle_connection_is_left_before_the_peer_would_close_it(self):
        def stay(server, peer, number, data):
            peer.recv(1)

        server = Counted(self, stay, b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=100\r\nContent-Length: 0\r\n\r\n")
        proxy = self.start(server)
        self.assertEqual(request(proxy.ports["in"])[0], 200)
        wait_for(lambda: proxy.stat("cluster.up.upstream_cx_idle_timeout") == 1, 2)
        self.assertEqual(proxy.stat("cluster.up.upstream_cx_active"), 0)

    def test_connections_end_after_their_idleness_their_time_or_their_requests(self):
        for common, stat, count in (({"idle_timeout": "0.2s"}, "upstream_cx_idle_timeout", 1),
                                    ({"max_connection_duration": "0.2s"}, "upstream_cx_max_duration_reached", 1),
                                    ({"max_requests_per_connection": 2}, "upstream_cx_max_requests", 2)):
            with self.subTest(stat):
                origin = Origin()
                self.addCleanup(origin.close)
                proxy = self.start(origin, **options(**common))
                for _ in range(4):
                    self.assertEqual(request(proxy.ports["in"])[0], 200)
                wait_for(lambda: proxy.stat("cluster.up." + stat) == count)
                wait_for(lambda: proxy.stat("cluster.up.upstream_cx_active") == 0)


if __name__ == "__main__":
    unittest.main()
