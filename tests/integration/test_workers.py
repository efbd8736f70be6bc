"""Four workers under load while everything changes at once: configuration, listeners, admin scrapes."""
import os
import subprocess
import sys

PYTHON = os.environ.get("PINNACE_VENV_PYTHON", os.path.join(os.environ["PINNACE_BUILD"], "venv/bin/python"))
if __name__ == "__main__" and "INSIDE" not in os.environ:
    have = os.path.exists(PYTHON) and subprocess.run(
        [PYTHON, "-c", "import grpc, envoy.config.core.v3.base_pb2"], capture_output=True).returncode == 0
    if not have:
        print("SKIPPED: the Python packages grpcio and xds-protos are not installed (tools/test installs them where "
              "PyPI is reached)")
        sys.exit(77)
    os.execve(PYTHON, [PYTHON, "-B", os.path.abspath(__file__), "-v"], {**os.environ, "INSIDE": "1"})

import threading
import unittest

from scripted_xds import *
from xds_mesh import *

ROUNDS = 24
ADMIN = ("/stats", "/stats/prometheus", "/clusters", "/listeners", "/config_dump", "/server_info", "/ready")


class Scrapes:
    """Reads every admin page in turn until it is stopped; at most 60 seconds."""

    def __init__(self, proxy):
        self.answers, self.stopped = [], threading.Event()
        self.thread = threading.Thread(target=self.run, args=(proxy.ports["admin"],))
        self.thread.start()

    def run(self, port):
        end = time.monotonic() + 60
        while not self.stopped.is_set() and time.monotonic() < end:
            for page in ADMIN:
                self.answers.append((page, request(port, page)[0]))
            self.answers.append(("/logging", request(port, "/logging?level=info", method="POST")[0]))

    def stop(self):
        self.stopped.set()
        self.thread.join()
        return self.answers


class Workers(unittest.TestCase):
    def setUp(self):
        self.server = ScriptedXds()
        self.addCleanup(self.server.close)
        self.origins = [NamedOrigin(name) for name in "ab"]
        for origin in self.origins:
            self.addCleanup(origin.close)
        self.proxy = by_ads("GRPC", [self.server.port], concurrency=4)
        self.addCleanup(self.proxy.close)
        self.stream = self.server.stream()

    def send(self, url, kind, resources, version):
        nonce = self.stream.send(url, resources, str(version))
        self.assertEqual(self.stream.answered(kind, nonce, 30), "")

    def serve(self):
        """Clusters a and b, the listener in, its route to a; the port."""
        self.send(CLUSTER, "cds", [eds_cluster("a"), eds_cluster("b")], 1)
        self.send(ENDPOINTS, "eds", [endpoints(n, o.port) for n, o in zip("ab", self.origins)], 1)
        self.send(LISTENER, "lds", [rds_listener("in", "r")], 1)
        self.stream.wait("rds")
        self.send(ROUTES, "rds", [routes("r", "a")], 1)
        port = self.proxy.port("in", 30)
        wait_for(lambda: request(port)[2] == b"a", 30)
        return port

    def change(self, version):
        """One round: the route turns, endpoints and a cluster's limits change, a listener comes or goes."""
        turn = version % 2
        self.send(CLUSTER, "cds", [eds_cluster("a"), eds_cluster("b", circuit_breakers={
            "thresholds": [{"max_requests": 1000 + version}]})], version)
        ports = [origin.port for origin in self.origins]
        # A cluster that changed asks for its endpoints anew; each has its own origin once or twice.
        self.send(ENDPOINTS, "eds", [endpoints("a", ports[0], *([ports[0]] * turn)), endpoints("b", ports[1])],
                  version)
        self.send(ROUTES, "rds", [routes("r", "ab"[turn])], version)
        self.send(LISTENER, "lds", [rds_listener("in", "r"),
                                    *([rds_listener("more", "r")] if turn else [])], version)

    def test_no_request_fails_while_everything_changes(self):
        port = self.serve()
        before = self.proxy.stat("cluster.a.upstream_rq_total")
        kept = Load(port, rate=200)
        short = Load(port, rate=100, threads=2, connect=lambda: OneShot("127.0.0.1", port, timeout=20))
        scrapes = Scrapes(self.proxy)
        try:
            for version in range(2, ROUNDS + 2):
                self.change(version)
            kept.until_answers({"ab"[(ROUNDS + 1) % 2]}, 30)
        finally:
            failures = kept.stop() + short.stop()
            pages = scrapes.stop()
        self.assertEqual(failures, [])
        self.assertEqual({code for _, code in pages}, {200}, pages[:20])
        self.assertEqual({page for page, _ in pages}, {*ADMIN, "/logging"})
        answers = kept.answers + short.answers
        self.assertEqual(set(answers), {"a", "b"})
        # What four workers counted, over all changes, is what the clients got.
        wait_for(lambda: self.proxy.stat("cluster.a.upstream_rq_total") - before +
                 self.proxy.stat("cluster.b.upstream_rq_total") == len(answers))

    def test_an_end_under_load_is_in_order(self):
        port = self.serve()
        load = Load(port, rate=400, threads=8)
        scrapes = Scrapes(self.proxy)
        wait_for(lambda: len(load.answers) > 100, 30)
        scrapes.stop()
        end_in_order(self.proxy.process)
        load.stop()


class OneShot(http.client.HTTPConnection):
    """A connection for each request, so that every worker accepts some."""

    def request(self, method, url):
        super().request(method, url, headers={"connection": "close"})


if __name__ == "__main__":
    unittest.main()
