"""The proxy under a go-control-plane server, SotW and Delta: changes under load, NACKs, restarts, secrets."""
import ssl
import sys
import unittest

from xds_mesh import *

GOCP = os.path.join(os.environ["PINNACE_BUILD"], "go/gocp")


class GoControlPlane:
    """The server of tests/interop/gocp."""

    def __init__(self, port=0, ads=True):
        self.process = subprocess.Popen([GOCP, "-port", str(port), f"-ads={str(ads).lower()}"],
                                        stdout=subprocess.PIPE, text=True)
        ports = json.loads(self.process.stdout.readline())
        self.port, self.http = ports["xds"], ports["http"]

    def set(self, version, *resources):
        body = json.dumps({"version": str(version), "resources": resources})
        status, _, text = request(self.http, "/set", "POST", body)
        assert status == 200, text

    def seen(self):
        return json.loads(request(self.http, "/seen")[2])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Sotw(unittest.TestCase):
    variant = "GRPC"

    def setUp(self):
        self.server = GoControlPlane()
        self.addCleanup(lambda: self.server.close())
        self.origins = {name: NamedOrigin(name) for name in "abcd"}
        for origin in self.origins.values():
            self.addCleanup(origin.close)

    def cluster(self, name, *origins):
        """A cluster and the endpoints that it has."""
        return eds_cluster(name), endpoints(name, *(self.origins[one].port for one in origins or [name]))

    def start(self):
        self.proxy = by_ads(self.variant, [self.server.port])
        self.addCleanup(self.proxy.close)
        return self.proxy.port("in")

    def test_changes_under_load_lose_nothing(self):
        a, b = self.cluster("a"), self.cluster("b")
        self.server.set(1, *a, *b, rds_listener("in", "r"), routes("r", "a"))
        load = Load(self.start())
        try:
            load.until_answers("a")
            self.server.set(2, *a, *b, rds_listener("in", "r"), routes("r", "b"))
            load.until_answers("b")
            self.server.set(3, *a, *self.cluster("b", "c"), rds_listener("in", "r"), routes("r", "b"))
            load.until_answers("c")
            self.server.set(4, *a, *self.cluster("b", "a", "c"), rds_listener("in", "r"), routes("r", "b"))
            load.until_answers("ac")
            # A new cluster, and those before removed with the same snapshot.
            self.server.set(5, *self.cluster("d"), rds_listener("in", "r"), routes("r", "d"))
            load.until_answers("d")
            # The listener's own settings and the name of its routes.
            self.server.set(6, *self.cluster("d"), *b, rds_listener("in", "r2", manager={"server_name": "changed"}),
                            routes("r2", "b"))
            load.until_answers("b")
        finally:
            failures = load.stop()
        self.assertEqual(failures, [])
        self.assertGreater(len(load.answers), 300)
        self.assertEqual(request(self.proxy.port("in"))[1]["server"], "changed")
        self.assertEqual(self.server.seen()["nacks"], [])
        # No change has cost a connection: each thread of the load kept the one that it began with.
        self.assertLessEqual(self.proxy.stat("http.in.downstream_cx_total"), len(load.threads) + 1)

    def test_a_bad_resource_is_named_and_the_good_ones_of_its_response_serve(self):
        a = self.cluster("a")
        self.server.set(1, *a, rds_listener("in", "r"), routes("r", "a"))
        port = self.start()
        wait_for(lambda: request(port)[2] == b"a")
        bad = [eds_cluster(name, lb_policy="LEAST_REQUEST", least_request_lb_config={"choice_count": 1})
               for name in ("bad-1", "bad-2")]
        # Without endpoints of the bad ones: the server would hold all back until all were asked for.
        self.server.set(2, *a, *bad, *self.cluster("b"), rds_listener("in", "r"), routes("r", "b"))
        wait_for(lambda: request(port)[2] == b"b")
        nacks = wait_for(lambda: self.server.seen()["nacks"])
        self.assertTrue(any("bad-1" in nack and "bad-2" in nack and "choice_count" in nack for nack in nacks), nacks)
        worse = {**routes("r", "b"), "virtual_hosts": [
            {"name": "v", "domains": ["*"], "routes": [{"match": {"safe_regex": {"regex": "("}},
                                                        "route": {"cluster": "a"}}]}]}
        before = len(nacks)
        self.server.set(3, *a, *self.cluster("b"), rds_listener("in", "r"), worse)
        wait_for(lambda: len(self.server.seen()["nacks"]) > before)
        self.assertEqual(request(port)[2], b"b")
        self.server.set(4, *a, *self.cluster("b"), rds_listener("in", "r"), routes("r", "a"))
        wait_for(lambda: request(port)[2] == b"a")

    def test_a_restarted_server_finds_the_proxy_serving_and_changes_it(self):
        self.server.set(1, *self.cluster("a"), rds_listener("in", "r"), routes("r", "a"))
        load = Load(self.start(), rate=200)
        try:
            load.until_answers("a")
            self.server.close()
            load.until_answers("a")
            self.server = GoControlPlane(self.server.port)
            self.server.set("again-1", *self.cluster("b"), rds_listener("in", "r"), routes("r", "b"))
            load.until_answers("b", 40)
        finally:
            failures = load.stop()
        self.assertEqual(failures, [])

    def test_certificates_by_sds_change_under_load(self):
        certs = tempfile.TemporaryDirectory()
        self.addCleanup(certs.cleanup)
        make_certs(certs.name, ["one", "two"])

        def secret(name):
            def text(suffix):
                with open(os.path.join(certs.name, name + suffix)) as file:
                    return {"inline_string": file.read()}
            return {"@type": SECRET, "name": "server", "tls_certificate": {
                "certificate_chain": text(".pem"), "private_key": text(".key")}}
        listener = rds_listener("in", "r", transport_socket={"name": "tls", "typed_config": {
            "@type": TYPES + ".transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {
                "tls_certificate_sds_secret_configs": [{"name": "server", "sds_config": ads()}]}}})
        rest = [*self.cluster("a"), listener, routes("r", "a")]
        self.server.set(1, *rest, secret("one"))
        port = self.start()
        context = ssl.create_default_context(cafile=os.path.join(certs.name, "ca.pem"))
        context.check_hostname = False

        def served():
            """The certificate that a new connection gets."""
            return ssl.get_server_certificate(("127.0.0.1", port))

        def expect(name):
            with open(os.path.join(certs.name, name + ".pem")) as file:
                wanted = ssl.PEM_cert_to_DER_cert(file.read())
            wait_for(lambda: ssl.PEM_cert_to_DER_cert(served()) == wanted)
        expect("one")
        kept = Load(port, rate=200, threads=2,
                    connect=lambda: http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context))
        try:
            kept.until_answers("a")
            for version, name in enumerate(["two", "one", "two"], 2):
                self.server.set(version, *rest, secret(name))
                expect(name)
            kept.until_answers("a")
        finally:
            failures = kept.stop()
        self.assertEqual(failures, [])
        self.assertEqual(self.server.seen()["nacks"], [])


class Delta(Sotw):
    variant = "DELTA_GRPC"


class OwnServices(unittest.TestCase):
    """Without ADS: each type by its own service."""

    def serves(self, variant):
        server, origin = GoControlPlane(ads=False), NamedOrigin("a")
        self.addCleanup(server.close)
        self.addCleanup(origin.close)
        own = {"api_config_source": xds_source(variant, "xds-0"), "resource_api_version": "V3"}
        listener = rds_listener("in", "r")
        listener["filter_chains"][0]["filters"][0]["typed_config"]["rds"]["config_source"] = own
        server.set(1, {**eds_cluster("a"), "eds_cluster_config": {"eds_config": own}}, endpoints("a", origin.port),
                   listener, routes("r", "a"))
        proxy = XdsProxy([server.port], {"cds_config": own, "lds_config": own})
        self.addCleanup(proxy.close)
        port = proxy.port("in")
        wait_for(lambda: request(port)[2] == b"a")
        self.assertEqual(server.seen()["streams"], 4)

    def test_sotw(self):
        self.serves("GRPC")

    def test_delta(self):
        self.serves("DELTA_GRPC")


if __name__ == "__main__":
    if not os.path.exists(GOCP):
        print("SKIPPED: build/go/gocp is missing; tools/test builds it where Go 1.24 or newer is installed")
        sys.exit(77)
    unittest.main()
