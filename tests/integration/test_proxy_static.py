"""pinnace-proxy on static bootstraps, driven by real clients against real servers."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from mesh import *


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return True
    return False


class StaticProxy(unittest.TestCase):
    def start(self, *args, **more):
        proxy = Proxy(*args, **more)
        self.addCleanup(proxy.close)
        return proxy

    def origin(self, **more):
        origin = Origin(**more)
        self.addCleanup(origin.close)
        return origin

    def test_requests_and_bodies_pass_and_are_counted(self):
        proxy = self.start([http_listener("in", "up")], [cluster("up", self.origin().port)])
        status, headers, body = request(proxy.ports["in"], "/a?b=c")
        self.assertEqual((status, body), (200, b"/a?b=c"))
        self.assertRegex(headers["x-seen-id"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4")
        large = os.urandom(3_000_000)
        self.assertEqual(request(proxy.ports["in"], "/", "POST", large)[2], large)
        self.assertEqual(proxy.stat("cluster.up.upstream_rq_2xx"), 2)
        self.assertEqual(proxy.stat("cluster.up.upstream_rq_active"), 0)
        self.assertIn('envoy_cluster_upstream_rq_2xx{envoy_cluster_name="up"} 2', proxy.admin("/stats/prometheus"))

    def test_a_chunked_upload_passes(self):
        proxy = self.start([http_listener("in", "up")], [cluster("up", self.origin().port)])
        out = subprocess.run(["curl", "-s", "--max-time", "10", "-H", "Transfer-Encoding: chunked", "-d", "abc", "-o",
                              "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{proxy.ports['in']}/"],
                             capture_output=True, text=True)
        self.assertEqual(out.stdout, "200")

    def test_no_listening_upstream_is_503_UF(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            with tempfile.NamedTemporaryFile("r") as log:
                proxy = self.start([http_listener("in", "up", log=log.name)], [cluster("up", port)])
                status, _, body = request(proxy.ports["in"])
                self.assertEqual(status, 503)
                self.assertIn(b"reset reason: remote connection failure", body)
                self.assertEqual(json.loads(wait_for(log.readline))["flags"], "UF")

    def test_the_circuit_breaker_answers_503_UO(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        limits = {"circuit_breakers": {"thresholds": [{"max_requests": 1}]}}
        proxy = self.start([http_listener("in", "up")], [cluster("up", self.origin(gate=gate).port, **limits)])
        first = []
        thread = threading.Thread(target=lambda: first.append(request(proxy.ports["in"])[0]))
        thread.start()
        wait_for(lambda: proxy.stat("cluster.up.upstream_rq_active") == 1)
        status, headers, body = request(proxy.ports["in"])
        self.assertEqual((status, headers["x-envoy-overloaded"]), (503, "true"))
        self.assertIn(b"overflow", body)
        gate.set()
        thread.join(20)
        self.assertEqual(first, [200])

    def test_a_late_upstream_is_504_UT(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        proxy = self.start([http_listener("in", "up", route={"timeout": "0.2s"})],
                           [cluster("up", self.origin(gate=gate).port)])
        self.assertEqual(request(proxy.ports["in"])[::2], (504, b"upstream request timeout"))

    def test_two_hops_with_mtls_name_the_caller_and_refuse_others(self):
        with tempfile.TemporaryDirectory() as certs:
            make_certs(certs, ["web", "shell", "other"])
            log = os.path.join(certs, "log")
            san = {"match_typed_subject_alt_names": [
                {"san_type": "URI", "matcher": {"exact": "spiffe://cluster.local/ns/shop/sa/shell"}}]}
            server = self.start(
                [http_listener("in", "up", log=log, **tls("Downstream", certs, "web", require_client_certificate=True,
                                                          validation=san))],
                [cluster("up", self.origin().port)])
            port = server.ports["in"]
            client = self.start([http_listener("out", "web"), http_listener("wrong", "bad")],
                                [cluster("web", port, **tls("Upstream", certs, "shell")),
                                 cluster("bad", port, **tls("Upstream", certs, "other"))])
            for _ in range(3):
                self.assertEqual(request(client.ports["out"], "/x")[::2], (200, b"/x"))
            with open(log) as file:
                self.assertEqual(json.loads(wait_for(file.readline))["peer"],
                                 "spiffe://cluster.local/ns/shop/sa/shell")
            self.assertEqual(request(client.ports["wrong"])[0], 503)
            with socket.create_connection(("127.0.0.1", port), 10) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertNotIn(b"HTTP/1.1", plain.recv(100))

    def test_openssl_can_speak_to_it(self):
        with tempfile.TemporaryDirectory() as certs:
            make_certs(certs, ["web"])
            proxy = self.start([http_listener("in", "up", **tls("Downstream", certs, "web"))],
                               [cluster("up", self.origin().port)])
            out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['in']}", "-CAfile",
                                  os.path.join(certs, "ca.pem"), "-cert", os.path.join(certs, "web.pem"), "-key",
                                  os.path.join(certs, "web.key"), "-verify_return_error", "-quiet"],
                                 input=b"GET /z HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                                 capture_output=True, timeout=20)
            self.assertIn(b"200 OK", out.stdout)

    def test_tcp_passes_when_the_server_speaks_first_and_half_closes(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def serve():
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"banner")
                data = b""
                while chunk := peer.recv(65536):
                    data += chunk
                peer.sendall(str(len(data)).encode())

        threading.Thread(target=serve, daemon=True).start()
        proxy = self.start([tcp_listener("in", "up")], [cluster("up", server.getsockname()[1])])
        with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as client:
            self.assertEqual(client.recv(6), b"banner")
            client.sendall(b"x" * 1_000_000)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(100), b"1000000")
            self.assertEqual(client.recv(100), b"")

    def test_an_end_that_comes_with_the_last_bytes_is_not_missed(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def serve():
            while True:
                peer, _ = server.accept()
                with peer:
                    data = b""
                    while chunk := peer.recv(65536):
                        data += chunk
                    peer.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        proxy = self.start([tcp_listener("in", "up")], [cluster("up", server.getsockname()[1])])
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as client:
                client.sendall(b"last words")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(100), b"last words")

    def test_sigterm_lets_a_running_request_end(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        proxy = self.start([http_listener("in", "up")], [cluster("up", self.origin(gate=gate).port)], concurrency=2)
        got = []
        thread = threading.Thread(target=lambda: got.append(request(proxy.ports["in"])[:2]))
        thread.start()
        wait_for(lambda: proxy.stat("cluster.up.upstream_rq_active") == 1)
        proxy.process.send_signal(signal.SIGTERM)
        wait_for(lambda: request(proxy.ports["admin"], "/ready")[0] == 503)
        # Every worker has begun to drain once none of them accepts.
        wait_for(lambda: refused(proxy.ports["in"]))
        gate.set()
        thread.join(20)
        self.assertEqual((got[0][0], got[0][1].get("connection")), (200, "close"))
        self.assertEqual(proxy.process.wait(20), 0)

    def test_a_field_that_is_not_supported_is_named(self):
        bad = cluster("up", 1, health_checks=[{"timeout": "1s"}])
        with self.assertRaises(AssertionError) as caught:
            Proxy([http_listener("in", "up")], [bad]).close()
        self.assertIn("clusters[0].health_checks", str(caught.exception))


class LimitedProxy(Proxy):
    def bootstrap(self, config):
        return {**config, "overload_manager": {"resource_monitors": [{
            "name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": {
                "@type": TYPES + ".resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                "max_active_downstream_connections": 3}}]}}


class Limit(unittest.TestCase):
    def test_no_more_downstream_connections_than_all_workers_together_may_have(self):
        origin = Origin()
        self.addCleanup(origin.close)
        proxy = LimitedProxy([http_listener("in", "up")], [cluster("up", origin.port)], concurrency=2)
        self.addCleanup(proxy.close)
        held = [socket.create_connection(("127.0.0.1", proxy.ports["in"])) for _ in range(3)]
        for one in held:
            one.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertIn(b"200", one.recv(65536))
        with self.assertRaises(OSError):
            request(proxy.ports["in"])
        self.assertEqual(proxy.stat("server.downstream_global_cx_overflow"), 1)
        held.pop().close()
        wait_for(lambda: self.works(proxy))
        for one in held:
            one.close()

    def works(self, proxy):
        try:
            return request(proxy.ports["in"])[0] == 200
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main()
