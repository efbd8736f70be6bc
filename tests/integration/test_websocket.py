"""WebSocket end to end, with the real client and server of the `websockets` package."""
import os
import subprocess
import sys
import tempfile
import threading

PYTHON = os.environ.get("PINNACE_VENV_PYTHON", os.path.join(os.environ["PINNACE_BUILD"], "venv/bin/python"))
if __name__ == "__main__" and "INSIDE" not in os.environ:
    have = os.path.exists(PYTHON) and subprocess.run([PYTHON, "-c", "import websockets.sync.server"],
                                                     capture_output=True).returncode == 0
    if not have:
        print("SKIPPED: the Python package websockets is not installed (tools/test installs it where PyPI is reached)")
        sys.exit(77)
    os.execve(PYTHON, [PYTHON, "-B", os.path.abspath(__file__), "-v"], {**os.environ, "INSIDE": "1"})

import unittest

import websockets
from websockets.sync.client import connect
from websockets.sync.server import serve

from mesh import *


def allowed(listener):
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    return listener


class WebSocket(unittest.TestCase):
    def setUp(self):
        self.closed = threading.Event()

        def handler(peer):
            try:
                for message in peer:
                    peer.send(message)
                    if message == "go away":
                        peer.close(4001, "as you wish")
            except websockets.ConnectionClosed:
                pass
            finally:
                self.closed.set()

        self.server = serve(handler, "127.0.0.1", 0, subprotocols=["chat"], max_size=None)
        self.addCleanup(self.server.shutdown)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.socket.getsockname()[1]

    def start(self, listeners, clusters):
        proxy = Proxy(listeners, clusters)
        self.addCleanup(proxy.close)
        return proxy

    def proxy(self):
        return self.start([allowed(http_listener("in", "up"))], [cluster("up", self.port)])

    def dial(self, proxy, **more):
        return connect(f"ws://127.0.0.1:{proxy.ports['in']}/chat?room=1", open_timeout=10, max_size=None,
                       subprotocols=["chat"], **more)

    def test_texts_bytes_and_empty_messages_come_back(self):
        with self.dial(self.proxy()) as client:
            for message in ("hello", "", "\u20ac" * 1000, b"", bytes(range(256)), os.urandom(3_000_000)):
                client.send(message)
                self.assertEqual(client.recv(20), message)

    def test_fragments_pings_and_many_messages_in_flight(self):
        with self.dial(self.proxy()) as client:
            client.send(str(i) for i in range(100))
            self.assertEqual(client.recv(20), "".join(map(str, range(100))))
            self.assertTrue(client.ping().wait(10))
            for i in range(2000):
                client.send(str(i))
            self.assertEqual([client.recv(20) for _ in range(2000)], list(map(str, range(2000))))

    def test_compression_and_the_subprotocol_are_between_the_ends(self):
        with self.dial(self.proxy(), compression="deflate") as client:
            self.assertEqual(client.subprotocol, "chat")
            self.assertIn("permessage-deflate", client.response.headers["sec-websocket-extensions"])
            client.send("a" * 100_000)
            self.assertEqual(client.recv(20), "a" * 100_000)

    def test_either_end_may_close_and_the_other_hears_why(self):
        proxy = self.proxy()
        with self.dial(proxy) as client:
            client.send("go away")
            self.assertEqual(client.recv(20), "go away")
            with self.assertRaises(websockets.ConnectionClosed) as closed:
                client.recv(20)
            self.assertEqual((closed.exception.rcvd.code, closed.exception.rcvd.reason), (4001, "as you wish"))
        with self.dial(proxy) as client:
            client.close(4002, "bye")
        self.assertTrue(self.closed.wait(10))
        wait_for(lambda: proxy.stat("http.in.downstream_cx_upgrades_active") == 0)
        self.assertEqual(proxy.stat("http.in.downstream_cx_upgrades_total"), 2)
        wait_for(lambda: proxy.stat("cluster.up.upstream_cx_active") == 0)

    def test_a_client_that_vanishes_leaves_nothing_behind(self):
        proxy = self.proxy()
        with self.dial(proxy) as client:
            client.socket.close()
        self.assertTrue(self.closed.wait(10))
        wait_for(lambda: proxy.stat("cluster.up.upstream_cx_active") == 0)
        wait_for(lambda: proxy.stat("http.in.downstream_rq_active") == 0)

    def test_through_two_proxies_under_mtls(self):
        with tempfile.TemporaryDirectory() as certs:
            make_certs(certs, ["web", "shell"])
            server = self.start([allowed(http_listener("in", "up", **tls("Downstream", certs, "web")))],
                                [cluster("up", self.port)])
            client = self.start([allowed(http_listener("in", "web"))],
                                [cluster("web", server.ports["in"], **tls("Upstream", certs, "shell"))])
            with self.dial(client) as socket:
                message = os.urandom(500_000)
                socket.send(message)
                self.assertEqual(socket.recv(20), message)

    def test_without_upgrade_configs_it_is_403(self):
        proxy = self.start([http_listener("in", "up")], [cluster("up", self.port)])
        with self.assertRaises(websockets.InvalidStatus) as refused:
            self.dial(proxy)
        self.assertEqual(refused.exception.response.status_code, 403)


if __name__ == "__main__":
    unittest.main()
