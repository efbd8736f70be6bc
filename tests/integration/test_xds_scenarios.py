"""Odd and hostile xDS servers: order, absence, duplicates, size, unknown types, removals, times to live."""
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

import unittest

from scripted_xds import *
from xds_mesh import *


class Sotw(unittest.TestCase):
    variant = "GRPC"

    def setUp(self):
        self.server = ScriptedXds()
        self.addCleanup(lambda: self.server.close())
        self.origins = [NamedOrigin(name) for name in "ab"]
        for origin in self.origins:
            self.addCleanup(origin.close)
        self.proxy = by_ads(self.variant, [self.server.port])
        self.addCleanup(self.proxy.close)
        self.stream = self.server.stream()

    def endpoints_of(self, name, *which):
        return endpoints(name, *(self.origins[i].port for i in which))

    def serve_a(self):
        """Everything in order; the port of the listener that serves origin a."""
        stream = self.stream
        stream.send(CLUSTER, [eds_cluster("a")])
        stream.wait("eds")
        stream.send(ENDPOINTS, [self.endpoints_of("a", 0)])
        stream.send(LISTENER, [rds_listener("in", "r")])
        stream.wait("rds")
        stream.send(ROUTES, [routes("r", "a")])
        port = self.proxy.port("in")
        wait_for(lambda: request(port)[2] == b"a")
        return port

    def test_the_listener_may_come_before_everything_that_it_needs(self):
        stream = self.stream
        stream.send(LISTENER, [rds_listener("in", "r")])
        stream.wait("rds")
        stream.send(ROUTES, [routes("r", "a")])
        nonce = stream.send(CLUSTER, [eds_cluster("a")])
        self.assertEqual(stream.answered("cds", nonce), "")
        self.assertEqual(request(self.proxy.ports["admin"], "/ready")[0], 503)
        stream.wait("eds")
        with open(self.proxy.ports_path) as file:
            self.assertNotIn("in", json.load(file))
        stream.send(ENDPOINTS, [self.endpoints_of("a", 0)])
        self.assertEqual(request(self.proxy.port("in"))[2], b"a")
        self.assertEqual(request(self.proxy.ports["admin"], "/ready")[0], 200)

    def test_the_node_comes_first_and_once(self):
        self.serve_a()
        self.assertEqual(self.stream.requests[0].node.id, "proxy-1")
        self.assertIn("xds.config.supports-resource-ttl", self.stream.requests[0].node.client_features)
        self.assertFalse(any(one.HasField("node") for one in self.stream.requests[1:]))

    def test_a_name_that_stands_twice_is_refused_and_the_others_serve(self):
        port = self.serve_a()
        nonce = self.stream.send(CLUSTER, [eds_cluster("a"), eds_cluster("b"), eds_cluster("c"), eds_cluster("b")],
                                 version="2")
        self.assertEqual(self.stream.answered("cds", nonce), "b: stands 2 times in the response")
        self.assertEqual(request(port)[2], b"a")

    def test_a_response_above_four_megabytes_is_read(self):
        port = self.serve_a()
        many = [eds_cluster(f"filler-{i}", metadata={"filter_metadata": {"x": {"text": "y" * 5000}}})
                for i in range(1000)]
        nonce = self.stream.send(CLUSTER, [eds_cluster("a"), *many], version="2")
        self.assertEqual(self.stream.answered("cds", nonce, 30), "")
        self.assertEqual(request(port)[2], b"a")

    def test_an_unknown_type_is_neither_acknowledged_nor_fatal(self):
        port = self.serve_a()
        nonce = self.stream.send("type.googleapis.com/envoy.service.runtime.v3.Runtime", version="2")
        after = self.stream.send(CLUSTER, [eds_cluster("a")], version="3")
        self.assertEqual(self.stream.answered("cds", after), "")
        self.assertFalse(any(one.response_nonce == nonce for one in self.stream.requests))
        self.assertEqual(request(port)[2], b"a")

    def test_a_resource_of_the_wrong_type_is_refused(self):
        self.serve_a()
        nonce = self.stream.send(ENDPOINTS, [{**routes("a", "a")}], version="2")
        self.assertIn("RouteConfiguration", self.stream.answered("eds", nonce))

    def test_a_cluster_removed_while_routes_name_it_answers_503_and_comes_back(self):
        port = self.serve_a()
        asked = len(self.stream.of("eds"))
        self.remove_cluster("a")
        wait_for(lambda: request(port)[0] == 503)
        wait_for(lambda: len(self.stream.of("eds")) == asked + 1)  # The name is taken back,
        self.stream.send(CLUSTER, [eds_cluster("a")], version="3")
        wait_for(lambda: len(self.stream.of("eds")) == asked + 2)  # and asked for again.
        self.stream.send(ENDPOINTS, [self.endpoints_of("a", 1)], version="3")
        wait_for(lambda: request(port)[2] == b"b")

    def test_a_removed_cluster_lets_running_requests_end(self):
        gate = threading.Event()
        slow = Origin(gate)
        self.addCleanup(slow.close)
        self.addCleanup(gate.set)
        port = self.serve_a()
        self.stream.send(ENDPOINTS, [endpoints("a", slow.port)], version="2")
        wait_for(lambda: f":{slow.port}::" in self.proxy.admin("/clusters"))
        answers = []
        running = threading.Thread(target=lambda: answers.append(request(port, "/slow")))
        running.start()
        wait_for(lambda: self.proxy.stat("cluster.a.upstream_rq_active") == 1)
        self.remove_cluster("a")
        wait_for(lambda: "a::" not in self.proxy.admin("/clusters"))
        self.assertEqual(request(port)[0], 503)
        gate.set()
        running.join()
        self.assertEqual(answers[0][0], 200)
        self.assertEqual(answers[0][2], b"/slow")

    def test_endpoints_of_nobody_are_an_empty_cluster(self):
        port = self.serve_a()
        self.stream.send(ENDPOINTS, [endpoints("a")], version="2")
        wait_for(lambda: request(port)[0] == 503)
        self.stream.send(ENDPOINTS, [self.endpoints_of("a", 1)], version="3")
        wait_for(lambda: request(port)[2] == b"b")

    def test_missing_endpoints_hold_a_listener_back_for_initial_fetch_timeout_alone(self):
        late = eds_cluster("late")
        late["eds_cluster_config"] = {"eds_config": ads("1s")}
        self.stream.send(CLUSTER, [late])
        self.stream.send(LISTENER, [rds_listener("in", "r")])
        self.stream.wait("rds")
        self.stream.send(ROUTES, [routes("r", "late")])
        self.assertEqual(request(self.proxy.port("in"))[0], 503)

    def test_resource_errors_end_the_wait_at_once(self):
        self.stream.send(CLUSTER, [eds_cluster("gone")])
        self.stream.send(LISTENER, [rds_listener("in", "r")])
        self.stream.wait("rds")
        self.stream.send(ROUTES, [routes("r", "gone")])
        self.stream.wait("eds")
        self.stream.send(ENDPOINTS, errors=[("gone", "no such service")])
        self.assertEqual(request(self.proxy.port("in", 5))[0], 503)

    def test_a_new_stream_begins_with_what_is_held(self):
        port = self.serve_a()
        self.stream.end()
        again = self.server.stream(1)
        first = again.wait("cds")
        self.assertEqual(first.node.id, "proxy-1")
        self.assertEqual(first.response_nonce, "")
        self.check_resumed(first, again.wait("eds"))
        self.assertEqual(request(port)[2], b"a")

    def test_a_listener_that_is_removed_closes(self):
        port = self.serve_a()
        self.remove(LISTENER, "in")

        def refused():
            try:
                request(port)
            except ConnectionRefusedError:
                return True
        wait_for(refused)

    # What differs between the variants:
    def remove(self, url, name):
        self.stream.send(url, [], version="2")

    def remove_cluster(self, name):
        self.remove(CLUSTER, name)

    def check_resumed(self, clusters, ends):
        self.assertEqual(clusters.version_info, "1")
        self.assertEqual(ends.version_info, "1")
        self.assertEqual(list(ends.resource_names), ["a"])


class Delta(Sotw):
    variant = "DELTA_GRPC"

    def remove(self, url, name):
        self.stream.send(url, removed=[name])

    def check_resumed(self, clusters, ends):
        self.assertEqual(dict(clusters.initial_resource_versions), {"a": "1"})
        self.assertEqual(list(clusters.resource_names_subscribe), ["*"])
        self.assertEqual(dict(ends.initial_resource_versions), {"a": "1"})
        self.assertEqual(list(ends.resource_names_subscribe), ["a"])

    def test_a_time_to_live_ends_a_listener_unless_heartbeats_renew_it(self):
        port = self.serve_a()
        listener = rds_listener("in", "r")
        self.stream.send(LISTENER, [listener], version="2", ttl=1)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            self.stream.send(LISTENER, [{"name": "in"}], version="2", ttl=1)
            self.assertEqual(request(port)[2], b"a")
            threading.Event().wait(0.2)

        def refused():
            try:
                request(port)
            except ConnectionRefusedError:
                return True
        wait_for(refused)


class Fallback(unittest.TestCase):
    def test_the_second_server_serves_while_the_first_is_away(self):
        with ScriptedClosing() as first, ScriptedClosing() as second:
            first_port = first.port
            first.close()
            proxy = by_ads("DELTA_GRPC", [first_port, second.port])
            self.addCleanup(proxy.close)
            self.assertEqual(second.stream().wait("cds").node.id, "proxy-1")
            # When the second ends its stream the first is asked before it.
            back = ScriptedXds(first_port)
            self.addCleanup(back.close)
            second.stream().send(CLUSTER, [])
            wait_for(lambda: proxy.stat("server.control_plane.connected_state") == 1)
            second.stream().end()
            back.stream().wait("cds")


class ScriptedClosing(ScriptedXds):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    unittest.main()
