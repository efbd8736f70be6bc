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

import ssl
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

    def test_a_nack_names_every_field_that_is_not_obeyed(self):
        self.serve_a()
        odd = eds_cluster("odd", wait_for_warm_on_init=True, track_cluster_stats={"timeout_budgets": True})
        nonce = self.stream.send(CLUSTER, [eds_cluster("a"), odd], version="2")
        text = self.stream.answered("cds", nonce)
        self.assertIn("odd", text)
        self.assertIn("wait_for_warm_on_init", text)
        self.assertIn("track_cluster_stats", text)

    def test_a_listener_update_reaches_open_connections_and_drains_only_what_is_gone(self):
        certs = tempfile.TemporaryDirectory()
        self.addCleanup(certs.cleanup)
        make_certs(certs.name, ["x"])
        pair = {"certificate_chain": {"filename": os.path.join(certs.name, "x.pem")},
                "private_key": {"filename": os.path.join(certs.name, "x.key")}}
        secured = {"transport_socket": {"name": "tls", "typed_config": {
            "@type": TYPES + ".transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [pair]}}}}

        def listener(body, *transports):
            """Inline routes, one chain a transport."""
            one = rds_listener("in", "r")
            filters = one["filter_chains"][0]["filters"]
            manager = filters[0]["typed_config"]
            del manager["rds"]
            manager["route_config"] = {"name": "inline", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}}]}]}
            one["filter_chains"] = [
                {"filters": filters, "filter_chain_match": {"transport_protocol": transport},
                 **(secured if transport == "tls" else {})} for transport in transports]
            return one
        self.stream.send(CLUSTER)
        self.stream.send(LISTENER, [listener("one", "raw_buffer", "tls")])
        port = self.proxy.port("in")
        context = ssl.create_default_context(cafile=os.path.join(certs.name, "ca.pem"))
        context.check_hostname = False
        plain = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        tls = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        self.addCleanup(plain.close)
        self.addCleanup(tls.close)

        def ask(connection):
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.read().decode(), answer.getheader("connection")
        self.assertEqual([ask(plain)[0], ask(tls)[0]], ["one", "one"])
        sockets = plain.sock, tls.sock
        self.stream.send(LISTENER, [listener("two", "raw_buffer", "tls")], version="2")
        wait_for(lambda: ask(plain)[0] == "two")
        self.assertEqual(ask(tls)[0], "two")
        self.assertEqual((plain.sock, tls.sock), sockets)
        self.stream.send(LISTENER, [listener("three", "raw_buffer")], version="3")
        wait_for(lambda: ask(plain)[0] == "three")
        self.assertEqual(plain.sock, sockets[0])
        # Nothing was under way on the other: it is closed.
        sockets[1].settimeout(10)
        self.assertEqual(sockets[1].recv(1), b"")

    def test_counters_and_config_dump_tell_what_came(self):
        self.serve_a()
        self.stream.send(CLUSTER, [eds_cluster("a"), eds_cluster("bad", lb_policy="LEAST_REQUEST", least_request_lb_config={"choice_count": 1})], version="2")
        nonce = self.stream.send(ROUTES, [routes("r", "a"), ], version="7")
        self.assertEqual(self.stream.answered("rds", nonce), "")
        stat = self.proxy.stat
        for name, value in (("cluster_manager.cds.update_success", 1), ("cluster_manager.cds.update_rejected", 1),
                            ("listener_manager.lds.update_success", 1), ("cluster_manager.active_clusters", 2),
                            ("listener_manager.total_listeners_active", 1), ("control_plane.connected_state", 1),
                            ("cluster.a.update_success", 1), ("cluster.a.membership_total", 1),
                            ("http.in.rds.r.update_success", 2)):
            self.assertEqual(stat(name), value, name)
        dump = json.loads(self.proxy.admin("/config_dump?include_eds"))["configs"]
        kinds = {one["@type"].rsplit(".", 1)[-1]: one for one in dump}
        listener = kinds["ListenersConfigDump"]["dynamic_listeners"][0]
        self.assertEqual((listener["name"], listener["active_state"]["version_info"]), ("in", "1"))
        self.assertEqual(listener["active_state"]["listener"]["name"], "in")
        self.assertEqual(kinds["RoutesConfigDump"]["dynamic_route_configs"][0]["version_info"], "7")
        clusters = {one.get("cluster", {}).get("name"): one
                    for kind in ("dynamic_active_clusters", "dynamic_warming_clusters")
                    for one in kinds["ClustersConfigDump"].get(kind, [])}
        self.assertEqual(clusters["a"]["client_status"], "ACKED")
        self.assertIn("choice_count", clusters[None]["error_state"]["details"])
        self.assertEqual(kinds["EndpointsConfigDump"]["dynamic_endpoint_configs"][0]["endpoint_config"]["cluster_name"],
                         "a")
        only = json.loads(self.proxy.admin("/config_dump?resource=dynamic_active_clusters"))["configs"]
        self.assertEqual([one["cluster"]["name"] for one in only], ["a"])

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
            wait_for(lambda: proxy.stat("control_plane.connected_state") == 1)
            second.stream().end()
            back.stream().wait("cds")


class Kept(unittest.TestCase):
    """--state-dir: a restarted proxy serves while nobody is there to configure it."""

    def setUp(self):
        self.state = tempfile.TemporaryDirectory()
        self.addCleanup(self.state.cleanup)
        self.origin = NamedOrigin("a")
        self.addCleanup(self.origin.close)

    def start(self, variant, port):
        proxy = by_ads(variant, [port], state=os.path.join(self.state.name, "state"))
        self.addCleanup(proxy.close)
        return proxy

    def serves_again(self, variant):
        """A proxy that has served, then one on its state without a server; the port of the server."""
        certs = os.path.join(self.state.name, "certs")
        os.mkdir(certs)
        make_certs(certs, ["x"])
        with open(os.path.join(certs, "x.pem")) as chain, open(os.path.join(certs, "x.key")) as key:
            pair = {"certificate_chain": {"inline_string": chain.read()}, "private_key": {"inline_string": key.read()}}
        secured = rds_listener("secured", "r", transport_socket={"name": "tls", "typed_config": {
            "@type": TYPES + ".transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [pair]}}})
        with ScriptedClosing() as server:
            proxy = self.start(variant, server.port)
            stream = server.stream()
            stream.send(CLUSTER, [eds_cluster("a")], version="c1")
            stream.wait("eds")
            stream.send(ENDPOINTS, [endpoints("a", self.origin.port)], version="e1")
            stream.send(LISTENER, [rds_listener("in", "r"), secured], version="l1")
            stream.wait("rds")
            stream.send(ROUTES, [routes("r", "a")], version="r1")
            wait_for(lambda: request(proxy.port("in"))[2] == b"a")
            proxy.port("secured")
            self.assertNotIn("PRIVATE KEY", proxy.admin("/config_dump"))
            file = os.path.join(self.state.name, "state/last-good.xds")
            wait_for(lambda: os.path.exists(file))
            with open(file, "rb") as kept:
                text = kept.read()
            self.assertIn(b"envoy.config.cluster.v3.Cluster", text)
            self.assertNotIn(b"PRIVATE KEY", text)
            self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
            self.assertEqual(os.stat(os.path.dirname(file)).st_mode & 0o777, 0o700)
            proxy.process.kill()
            proxy.process.wait()
            port = server.port
        again = self.start(variant, port)
        self.assertEqual(request(again.port("in", 5))[2], b"a")
        self.assertEqual(request(again.ports["admin"], "/ready")[0], 200)
        return again, port

    def test_delta(self):
        proxy, port = self.serves_again("DELTA_GRPC")
        with ScriptedClosing(port) as server:
            stream = server.stream(seconds=40)
            self.assertEqual(dict(stream.wait("cds").initial_resource_versions), {"a": "c1"})
            self.assertEqual(dict(stream.wait("lds").initial_resource_versions), {"in": "l1"})
            self.assertEqual(dict(stream.wait("rds").initial_resource_versions), {"r": "r1"})
            stream.send(CLUSTER, removed=["a"])
            wait_for(lambda: request(proxy.port("in"))[0] == 503)

    def test_sotw(self):
        proxy, port = self.serves_again("GRPC")
        with ScriptedClosing(port) as server:
            stream = server.stream(seconds=40)
            self.assertEqual(stream.wait("cds").version_info, "")
            stream.send(CLUSTER, [], version="c2")
            wait_for(lambda: request(proxy.port("in"))[0] == 503)

    def test_the_state_of_another_node_is_not_used(self):
        self.serves_again("GRPC")
        other = XdsProxy([1], {"ads_config": xds_source("GRPC", "xds-0"), "cds_config": ads(), "lds_config": ads()},
                         state=os.path.join(self.state.name, "state"), node={"id": "another"})
        self.addCleanup(other.close)
        self.assertEqual(request(other.ports["admin"], "/ready")[0], 503)
        self.assertNotIn("in::", other.admin("/listeners"))


class ScriptedClosing(ScriptedXds):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    unittest.main()
