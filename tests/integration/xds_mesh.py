"""A proxy that is configured by xDS, the resources that tests send it, and steady load on it."""
import http.client
import threading
import time

from mesh import *

TYPE = "type.googleapis.com/"
CLUSTER = TYPE + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = TYPE + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = TYPE + "envoy.config.listener.v3.Listener"
ROUTES = TYPE + "envoy.config.route.v3.RouteConfiguration"
SECRET = TYPE + "envoy.extensions.transport_sockets.tls.v3.Secret"


def xds_source(variant, *clusters):
    """ApiConfigSource of GRPC or DELTA_GRPC on those clusters, the first one first."""
    return {"api_type": variant, "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": name}} for name in clusters]}


def ads(timeout=None):
    return {"ads": {}, "resource_api_version": "V3", **({"initial_fetch_timeout": timeout} if timeout else {})}


class XdsProxy(Proxy):
    """One pinnace-proxy with a bootstrap of clusters that reach servers, and dynamic_resources."""

    def __init__(self, ports, dynamic, clusters=(), concurrency=1, state=None, **more):
        self.arguments = ("--state-dir", state) if state else ()
        names = [f"xds-{i}" for i in range(len(ports))]
        self.bootstrap_more = {"dynamic_resources": dynamic, "node": {"id": "proxy-1", "cluster": "test"}, **more}
        super().__init__([], [*clusters, *(cluster(name, port, typed_extension_protocol_options={
            TYPE_OPTIONS: {"@type": TYPE + TYPE_OPTIONS, "explicit_http_config": {"http2_protocol_options": {}}}})
            for name, port in zip(names, ports))], concurrency)

    def bootstrap(self, config):
        return {**config, **self.bootstrap_more}

    def port(self, name, seconds=10):
        """The port of a listener once it serves."""
        def bound():
            with open(self.ports_path) as file:
                return json.load(file).get(name)
        return wait_for(bound, seconds)


TYPE_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def by_ads(variant, ports, **more):
    return XdsProxy(ports, {"ads_config": xds_source(variant, *(f"xds-{i}" for i in range(len(ports)))),
                            "cds_config": ads(), "lds_config": ads()}, **more)


def eds_cluster(name, **more):
    return {"@type": CLUSTER, "name": name, "type": "EDS", "connect_timeout": "2s",
            "eds_cluster_config": {"eds_config": ads()}, **more}


def endpoints(name, *ports):
    return {"@type": ENDPOINTS, "cluster_name": name, "endpoints": [{"lb_endpoints": [
        {"endpoint": {"address": address("127.0.0.1", port)}} for port in ports]}]}


def routes(name, target):
    return {"@type": ROUTES, "name": name, "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
        {"match": {"prefix": "/"}, "route": {"cluster": target}}]}]}


def rds_listener(name, table, port=0, manager=None, **chain):
    http_manager = {"@type": HCM, "stat_prefix": name, "rds": {"config_source": ads(), "route_config_name": table},
                    "http_filters": [{"name": "router", "typed_config": {
                        "@type": TYPES + ".filters.http.router.v3.Router"}}], **(manager or {})}
    return {"@type": LISTENER, "name": name, "address": address("127.0.0.1", port), "filter_chains": [
        {"filters": [{"name": "http", "typed_config": http_manager}], **chain}]}


class NamedOrigin(Origin):
    """Answers every request with its own name."""

    def __init__(self, name):
        super().__init__()
        handler = self.server.RequestHandlerClass

        def do_get(this):
            this.send_response(200)
            this.send_header("content-length", str(len(name)))
            this.end_headers()
            this.wfile.write(name.encode())
        handler.do_GET = do_get


class Load:
    """About `rate` requests a second on kept connections, until it is stopped; at most 60 seconds."""

    def __init__(self, port, rate=500, threads=4, connect=None):
        self.answers, self.failures = [], []
        self.stopped = threading.Event()
        self.end = time.monotonic() + 60
        connect = connect or (lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=10))
        self.threads = [threading.Thread(target=self.run, args=(connect, threads / rate)) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, connect, pause):
        connection = connect()
        due = time.monotonic()
        while not self.stopped.is_set() and due < self.end:
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                body = answer.read().decode()
                (self.answers if answer.status == 200 else self.failures).append(
                    body if answer.status == 200 else f"{answer.status} {body}")
                if answer.will_close:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                connection = connect()
            due += pause
            self.stopped.wait(max(0, due - time.monotonic()))
        connection.close()

    def until_answers(self, wanted, seconds=15):
        """Waits until the last 50 answers were of exactly these origins."""
        def turned():
            at = len(self.answers)
            wait_for(lambda: len(self.answers) >= at + 50, seconds)
            return set(self.answers[at:]) == set(wanted)
        wait_for(turned, seconds)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        return self.failures
