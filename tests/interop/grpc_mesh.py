"""A control plane, gRPC backends and one stock client: what all languages must do alike.

A client program reads lines "TARGET METHOD COUNT [KEY=VALUE...]", makes COUNT calls of
/test.Echo/METHOD at xds:///TARGET one after the other and prints "BACKEND=N !STATUS=N ...".
"""
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

BIN = os.environ["PINNACE_BIN"]
BUILD = os.environ["PINNACE_BUILD"]
HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = os.environ.get("PINNACE_VENV_PYTHON", BUILD + "/venv/bin/python")
SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: shop}
spec: {clusterIP: 10.96.0.20, ports: [{name: grpc, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: echo-v2, namespace: shop}
spec: {clusterIP: 10.96.0.21, ports: [{name: grpc, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: split, namespace: shop}
spec: {clusterIP: 10.96.0.22, ports: [{name: grpc, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: http-split, namespace: shop}
spec: {clusterIP: 10.96.0.23, ports: [{name: http2, port: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: split, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: split}]
  rules:
  - matches: [{method: {service: test.Echo, method: Who}, headers: [{name: tenant, value: blue}]}]
    backendRefs: [{name: echo-v2, port: 8080}]
  - matches: [{method: {service: test.Echo}}]
    backendRefs: [{name: echo, port: 8080, weight: 3}, {name: echo-v2, port: 8080, weight: 1}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: http-split, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: http-split}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /test.Echo}}]
    backendRefs: [{name: echo, port: 8080, weight: 1}, {name: echo-v2, port: 8080, weight: 3}]
---
apiVersion: pinnace.mesh/v1alpha1
kind: TrafficPolicy
metadata: {name: echo, namespace: shop}
spec:
  targetRefs: [{kind: Service, name: echo}, {kind: Service, name: echo-v2}]
  retries: {attempts: 3, on: [unavailable, connect-failure]}
  loadBalancing: {policy: LeastRequest}
  outlier: {consecutive5xx: 3, interval: 1s, baseEjection: 5s}
  circuitBreaker: {maxRequests: 100, maxConnections: 100}
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s, namespace: shop, labels: {kubernetes.io/service-name: %s}}
addressType: IPv4
ports: [{name: grpc, port: %d}]
endpoints: [{addresses: [127.0.0.1]}]
"""


class Backends:
    """gRPC servers that answer Who with their name, and Flaky only at the second attempt."""

    def __init__(self):
        self.servers = {}

    def add(self, name):
        import grpc

        def who(request, context):
            return name.encode()

        def flaky(request, context):
            if not any(key == "grpc-previous-rpc-attempts" for key, _ in context.invocation_metadata()):
                context.abort(grpc.StatusCode.UNAVAILABLE, "not at first")
            return name.encode()

        handlers = {"Who": grpc.unary_unary_rpc_method_handler(who),
                    "Flaky": grpc.unary_unary_rpc_method_handler(flaky)}
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.servers[name] = (server, port)
        return port

    def close(self):
        for server, _ in self.servers.values():
            server.stop(None)


class Client:
    """One client program; `log` gets what it complains of."""

    def __init__(self, command, environment, log):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                        text=True, env=environment)

    def call(self, target, method="Who", count=1, *pairs):
        self.process.stdin.write(" ".join([target, method, str(count), *pairs]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the client has ended"
        return {item.rsplit("=", 1)[0]: int(item.rsplit("=", 1)[1]) for item in line.split()}

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class GrpcClients:
    """The tests; a language's TestCase inherits them and gives `command()`."""
    absent = "!UNAVAILABLE"

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="pinnace-grpc-")
        self.addCleanup(self.folder.cleanup)
        self.path = self.folder.name
        os.mkdir(self.path + "/config")
        self.backends = Backends()
        self.addCleanup(self.backends.close)
        self.write("services", SERVICES)
        for name, service in (("a1", "echo"), ("a2", "echo"), ("b1", "echo-v2")):
            self.write(name, SLICE % (name, service, self.backends.add(name)))
        self.start()

    def write(self, name, text):
        with open(self.path + "/new", "w") as file:
            file.write(text)
        os.replace(self.path + "/new", "%s/config/%s.yaml" % (self.path, name))

    def start(self):
        ports = self.path + "/ports.json"
        self.log = open(self.path + "/log", "w+")
        self.addCleanup(self.log.close)
        control = subprocess.Popen(
            [BIN + "/pinnace-control", "--config", self.path + "/config", "--state", self.path + "/state",
             "--xds-address", "127.0.0.1:0", "--xds-tls-address", "127.0.0.1:0", "--ports-file", ports],
            stderr=self.log)
        self.addCleanup(control.wait)
        self.addCleanup(control.terminate)
        self.until(lambda: os.path.exists(ports), "the control plane has no ports")
        with open(ports) as file:
            self.xds = "127.0.0.1:%d" % json.load(file)["xds"]
        bootstrap = {"xds_servers": [{"server_uri": self.xds, "channel_creds": [{"type": "insecure"}],
                                      "server_features": ["xds_v3"]}],
                     "node": {"id": "client-under-test", "locality": {"zone": "z"}, "metadata": {"NAMESPACE": "shop"}}}
        environment = {**os.environ, "GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(bootstrap)}
        self.complaints = open(self.path + "/client", "w+")
        self.addCleanup(self.complaints.close)
        self.client = Client(self.command(), environment, self.complaints)
        self.addCleanup(self.client.close)

    def until(self, check, complaint, seconds=20):
        end = time.monotonic() + seconds
        while not check():
            if time.monotonic() > end:
                self.complaints.seek(0)
                self.fail(complaint + "\n" + self.complaints.read()[-2000:])
            threading.Event().wait(0.05)

    def all_accepted(self):
        """Every type is SYNCED and nothing was refused."""
        def synced():
            out = subprocess.run([BIN + "/pinnacectl", "status", "-o", "json", "--control", self.xds],
                                 capture_output=True, text=True, check=True).stdout
            self.state = json.loads(out)["proxies"][0]["types"]
            return all(kind["state"] == "SYNCED" and not kind.get("error") for kind in self.state)
        try:
            self.until(synced, "not in step")
        finally:
            with open(self.path + "/log") as file:
                self.assertNotIn("NACK", file.read())
        self.assertEqual(len(self.state), 4, self.state)

    def same(self, seen, allowed):
        """Fails with the client's own words if anything else was seen."""
        if not set(seen) <= allowed:
            self.complaints.seek(0)
            self.fail("%s\n%s" % (seen, self.complaints.read()[-2000:]))

    def share(self, seen, *names):
        total = sum(seen.values())
        return sum(seen.get(name, 0) for name in names) / total

    def test_every_form_of_the_name_resolves_and_balances(self):
        for host in ("echo.shop:8080", "echo.shop.svc:8080", "echo.shop.svc.cluster.local:8080", "echo.shop"):
            self.client.call(host, "Who", 4)
            seen = self.client.call(host, "Who", 40)
            self.assertEqual(set(seen), {"a1", "a2"}, host)
            self.assertAlmostEqual(self.share(seen, "a1"), 0.5, delta=0.2, msg=host)
        self.all_accepted()

    def test_a_grpc_route_splits_by_weight_and_by_header(self):
        seen = self.client.call("split.shop:8080", "Who", 400)
        self.assertAlmostEqual(self.share(seen, "a1", "a2"), 0.75, delta=0.1, msg=seen)
        self.assertEqual(set(seen), {"a1", "a2", "b1"})
        self.assertEqual(self.client.call("split.shop:8080", "Who", 20, "tenant=blue"), {"b1": 20})
        self.all_accepted()

    def test_an_http_route_splits_and_new_weights_are_followed_without_an_error(self):
        seen = self.client.call("http-split.shop:8080", "Who", 400)
        self.assertAlmostEqual(self.share(seen, "b1"), 0.75, delta=0.1, msg=seen)
        self.write("services", SERVICES.replace("{name: echo-v2, port: 8080, weight: 3}",
                                                "{name: echo-v2, port: 8080, weight: 0}"))

        def followed():
            seen = self.client.call("http-split.shop:8080", "Who", 20)
            self.same(seen, {"a1", "a2", "b1"})
            return "b1" not in seen
        self.until(followed, "the old weights stay")
        self.all_accepted()

    def test_a_failed_attempt_is_tried_again(self):
        seen = self.client.call("echo.shop:8080", "Flaky", 20)
        self.same(seen, {"a1", "a2"})
        self.all_accepted()

    def test_endpoints_come_and_go_without_an_error(self):
        self.client.call("echo.shop:8080", "Who", 10)
        self.write("a3", SLICE % ("a3", "echo", self.backends.add("a3")))

        def calls(check):
            def step():
                seen = self.client.call("echo.shop:8080", "Who", 30)
                self.same(seen, {"a1", "a2", "a3"})
                return check(seen)
            return step
        self.until(calls(lambda seen: "a3" in seen), "the new endpoint gets nothing")
        os.unlink(self.path + "/config/a1.yaml")
        self.until(calls(lambda seen: "a1" not in seen), "the old endpoint still gets calls")
        self.all_accepted()

    def test_a_service_that_does_not_exist_is_unavailable_and_works_once_it_does(self):
        # C-core takes a name that it has just asked for as absent only after 15 seconds.
        self.assertEqual(self.client.call("late.shop:8080", "Who", 1), {self.absent: 1})
        self.write("late", "apiVersion: v1\nkind: Service\nmetadata: {name: late, namespace: shop}\n"
                           "spec: {clusterIP: 10.96.0.30, ports: [{name: grpc, port: 8080}]}\n---\n" +
                   SLICE % ("late", "late", self.backends.add("l1")))
        self.until(lambda: self.client.call("late.shop:8080", "Who", 1) == {"l1": 1}, "never resolved")


def run(skip_unless):
    """Runs the tests of the calling module inside the environment that has gRPC for Python.

    `skip_unless()` returns why they cannot run, or None."""
    import unittest
    if "INSIDE" in os.environ:
        unittest.main()
    have = os.path.exists(PYTHON) and subprocess.run([PYTHON, "-c", "import grpc"],
                                                     capture_output=True).returncode == 0
    why = None if have else "the Python package grpcio is not installed (tools/test installs it)"
    why = why or skip_unless()
    if why:
        print("SKIPPED: " + why)
        sys.exit(77)
    script = os.path.abspath(sys.argv[0])
    os.execve(PYTHON, [PYTHON, "-B", script, *sys.argv[1:]], {**os.environ, "INSIDE": "1"})
