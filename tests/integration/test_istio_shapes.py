"""What istiod sends to a sidecar, by its documented shapes, is accepted and served."""
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

import socket
import ssl
import unittest

from google.protobuf import any_pb2, struct_pb2  # noqa: F401
from envoy.extensions.filters.listener.http_inspector.v3 import http_inspector_pb2  # noqa: F401
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2  # noqa: F401
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2  # noqa: F401
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2  # noqa: F401
from envoy.extensions.request_id.uuid.v3 import uuid_pb2  # noqa: F401
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2  # noqa: F401
from udpa.type.v1 import typed_struct_pb2  # noqa: F401

from certs import Authority, certificate
from scripted_xds import *
from xds_mesh import *

MESH_ALPN = ["istio-http/1.0", "istio-http/1.1", "istio-h2"]
STRUCT = TYPE + "udpa.type.v1.TypedStruct"


def native(name, kind):
    return {"name": name, "typed_config": {"@type": STRUCT, "type_url": TYPE + kind, "value": {}}}


PEER_HTTP = native("istio.metadata_exchange", "io.istio.http.peer_metadata.Config")
STATS = native("istio.stats", "stats.PluginConfig")
PEER_TCP = native("istio.metadata_exchange", "envoy.tcp.metadataexchange.config.MetadataExchange")
ROUTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": TYPES + ".filters.http.router.v3.Router"}}
INSPECTORS = TYPES + ".filters.listener."


def inbound_http(port):
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": HCM, "stat_prefix": f"inbound_0.0.0.0_{port};", "server_name": "istio-envoy",
        "use_remote_address": False, "generate_request_id": True, "stream_idle_timeout": "0s",
        "normalize_path": True, "forward_client_cert_details": "APPEND_FORWARD",
        "set_current_client_cert_details": {"subject": True, "dns": True, "uri": True},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "tracing": {"client_sampling": {"value": 100}, "random_sampling": {"value": 1},
                    "overall_sampling": {"value": 100}},
        "request_id_extension": {"typed_config": {
            "@type": TYPES + ".request_id.uuid.v3.UuidRequestIdConfig", "use_request_id_for_trace_sampling": True}},
        "route_config": {"name": f"inbound|{port}||", "validate_clusters": False, "virtual_hosts": [
            {"name": f"inbound|http|{port}", "domains": ["*"], "routes": [
                {"name": "default", "match": {"prefix": "/"}, "decorator": {"operation": "web.shop:80/*"},
                 "route": {"cluster": f"inbound|{port}||", "timeout": "0s",
                           "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"}}}]}]},
        "http_filters": [PEER_HTTP, native("envoy.filters.http.grpc_stats",
                                           "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"),
                         STATS, ROUTER]}}


def inbound_tcp(port):
    return [PEER_TCP, native("istio.stats", "stats.PluginConfig"),
            {"name": "envoy.filters.network.tcp_proxy", "typed_config": {
                "@type": TYPES + ".filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": f"inbound|{port}||",
                "cluster": f"inbound|{port}||"}}]


def permissive(port, tls_socket):
    """The five chains of a workload port with automatic protocol and PERMISSIVE mTLS."""
    http = [inbound_http(port)]
    mesh = {"transport_socket": tls_socket}

    def chain(filters, match, **more):
        return {"name": f"0.0.0.0_{port}", "filters": filters,
                "filter_chain_match": {"destination_port": port, **match}, **more}
    return [chain(http, {"transport_protocol": "tls", "application_protocols": MESH_ALPN}, **mesh),
            chain(http, {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]}),
            chain(inbound_tcp(port), {"transport_protocol": "tls",
                                      "application_protocols": ["istio-peer-exchange", "istio"]}, **mesh),
            chain(inbound_tcp(port), {"transport_protocol": "raw_buffer"}),
            chain(inbound_tcp(port), {"transport_protocol": "tls"})]


def virtual_inbound(port, chains):
    not_for = {"filter_disabled": {"or_match": {"rules": [
        {"destination_port_range": {"start": 3306, "end": 3307}},
        {"destination_port_range": {"start": 6379, "end": 6380}}]}}}
    return {"@type": LISTENER, "name": "virtualInbound", "traffic_direction": "INBOUND",
            "address": address("127.0.0.1", port), "continue_on_listener_filters_timeout": True,
            "listener_filters_timeout": "1s",
            "listener_filters": [
                {"name": "od", "typed_config": {"@type": INSPECTORS + "original_dst.v3.OriginalDst"}},
                {"name": "tls", "typed_config": {"@type": INSPECTORS + "tls_inspector.v3.TlsInspector",
                                                 "initial_read_buffer_size": 512}, **not_for},
                {"name": "http", "typed_config": {"@type": INSPECTORS + "http_inspector.v3.HttpInspector"}, **not_for}],
            "filter_chains": chains}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SeenOrigin(Origin):
    """Answers with the fields that it was asked with."""

    def __init__(self):
        super().__init__()
        handler = self.server.RequestHandlerClass

        def do_get(this):
            body = json.dumps(dict((k.lower(), v) for k, v in this.headers.items())).encode()
            this.send_response(200)
            this.send_header("content-length", str(len(body)))
            this.end_headers()
            this.wfile.write(body)
        handler.do_GET = do_get


class Sidecar(unittest.TestCase):
    def setUp(self):
        self.ca = Authority()
        self.addCleanup(self.ca.close)
        self.server_pair = self.ca.issue("web", "URI:spiffe://cluster.local/ns/shop/sa/web")
        self.client_pair = self.ca.issue("shell", "URI:spiffe://cluster.local/ns/shop/sa/shell")
        self.xds = ScriptedXds()
        self.addCleanup(self.xds.close)
        self.origin = SeenOrigin()
        self.addCleanup(self.origin.close)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.proxy = self.start()
        self.stream = self.xds.stream()

    def start(self):
        source = os.path.join(os.environ["PINNACE_SOURCE"], "tests/recordings/istio/bootstrap.yaml")
        path, ports = (os.path.join(self.folder.name, name) for name in ("bootstrap.yaml", "ports.json"))
        with open(source) as recorded, open(path, "w") as file:
            file.write(recorded.read().replace("PORT", str(self.xds.port)))
        binary = os.path.join(BIN, "pinnace-proxy")
        checked = subprocess.run([binary, "--mode", "validate", "-c", path], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        # Runtime keys are Envoy's own switches: a warning says that they are not used.
        self.assertRegex(checked.stderr, "^[^\\n]*warning[^\\n]*layered_runtime[^\\n]*\\n$")
        log = open(os.path.join(self.folder.name, "log"), "w")
        self.addCleanup(log.close)
        process = subprocess.Popen([binary, "-c", path, "--ports-file", ports], stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.ports = ports
        return process

    def bound(self, name):
        def read():
            if os.path.exists(self.ports):
                with open(self.ports) as file:
                    return json.load(file).get(name)
        return wait_for(read)

    def send(self, url, *resources):
        nonce = self.stream.send(url, resources)
        kind = kind_of(url)
        self.assertEqual(self.stream.answered(kind, nonce), "")

    def mesh_tls(self):
        return {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": TYPES + ".transport_sockets.tls.v3.DownstreamTlsContext", "require_client_certificate": True,
            "common_tls_context": {
                "tls_certificates": [certificate(self.server_pair)], "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
                "combined_validation_context": {
                    "default_validation_context": {"match_typed_subject_alt_names": [
                        {"san_type": "URI", "matcher": {"prefix": "spiffe://cluster.local/"}}]},
                    "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": ads()}}}}}

    def send_root(self):
        self.stream.wait("sds")
        with open(self.ca.path("ca.pem")) as file:
            self.send(SECRET, {"@type": SECRET, "name": "ROOTCA",
                               "validation_context": {"trusted_ca": {"inline_string": file.read()}}})

    def test_a_permissive_port_serves_plain_http_and_mesh_tls(self):
        port = free_port()
        self.send(CLUSTER, {"@type": CLUSTER, **cluster(f"inbound|{port}||", self.origin.port),
                            "filters": [PEER_TCP]})
        self.send(LISTENER, virtual_inbound(port, permissive(port, self.mesh_tls())))
        self.send_root()
        self.bound("virtualInbound")
        status, headers, body = request(port, headers={"x-forwarded-client-cert": "By=forged"})
        self.assertEqual((status, headers["server"]), (200, "istio-envoy"))
        self.assertNotIn("x-forwarded-client-cert", json.loads(body))
        context = ssl.create_default_context(cafile=self.ca.path("ca.pem"))
        context.check_hostname = False
        context.load_cert_chain(*self.client_pair)
        context.set_alpn_protocols(["istio-http/1.1", "istio", "http/1.1"])
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        seen = json.loads(connection.getresponse().read())["x-forwarded-client-cert"]
        self.assertRegex(seen, r'^By=spiffe://cluster.local/ns/shop/sa/web;Hash=[0-9a-f]{64};Subject="CN=shell";'
                               r"URI=spiffe://cluster.local/ns/shop/sa/shell$")

    def test_automatic_mtls_offers_what_the_alpn_filter_says(self):
        """An outbound listener: tlsMode-istio by endpoint label, ALPN by protocol."""
        offered = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.server_pair)
        context.set_alpn_protocols(["istio-http/1.1"])
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)

        def serve():
            raw, _ = listening.accept()
            with context.wrap_socket(raw, server_side=True) as tls:
                offered.append(tls.selected_alpn_protocol())
                tls.recv(65536)
                tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmtls")
                tls.recv(1)
        threading.Thread(target=serve, daemon=True).start()
        name = "outbound|80||web.shop.svc.cluster.local"
        secured = {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": {
            "name": "tls", "typed_config": {
                "@type": TYPES + ".transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": "outbound_.80_._.web.shop.svc.cluster.local", "common_tls_context": {
                    "tls_certificates": [certificate(self.client_pair)],
                    "alpn_protocols": ["istio-peer-exchange", "istio"],
                    "combined_validation_context": {
                        "default_validation_context": {"match_typed_subject_alt_names": [
                            {"san_type": "URI", "matcher": {"exact": "spiffe://cluster.local/ns/shop/sa/web"}}]},
                        "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": ads()}}}}}}
        plain = {"name": "tlsMode-disabled", "match": {}, "transport_socket": {
            "name": "envoy.transport_sockets.raw_buffer",
            "typed_config": {"@type": TYPES + ".transport_sockets.raw_buffer.v3.RawBuffer"}}}
        self.send(CLUSTER, {**eds_cluster(name), "lb_policy": "LEAST_REQUEST", "filters": [PEER_TCP],
                            "transport_socket_matches": [secured, plain], "circuit_breakers": {"thresholds": [
                                {"max_connections": 4294967295, "max_requests": 4294967295,
                                 "max_pending_requests": 4294967295, "max_retries": 4294967295,
                                 "track_remaining": True}]}})
        self.stream.wait("eds")
        both = endpoints(name, listening.getsockname()[1], self.origin.port)
        ends = both["endpoints"][0]["lb_endpoints"]
        ends[0]["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}}
        self.send(ENDPOINTS, both)
        listener = rds_listener("0.0.0.0_80", "80")
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        alpn = {"name": "istio.alpn", "typed_config": any_of_alpn()}
        manager["http_filters"] = [PEER_HTTP, STATS, ROUTER]
        self.nonce = self.send_listener_with(listener, alpn)
        self.assertEqual(self.stream.answered("lds", self.nonce), "")
        self.stream.wait("rds")
        self.send(ROUTES, routes("80", name))
        self.send_root()
        port = self.bound("0.0.0.0_80")
        bodies = [request(port)[2] for _ in range(8)]
        self.assertIn(b"mtls", bodies)
        self.assertEqual(offered, ["istio-http/1.1"])

    def send_listener_with(self, listener, filter_entry):
        """Sends the listener with one more HTTP filter, of a type that xds-protos does not have."""
        message = discovery_pb2.DeltaDiscoveryResponse(type_url=LISTENER, nonce="with-alpn")
        proto = listener_pb2.Listener()
        json_format.ParseDict({k: v for k, v in listener.items() if k != "@type"}, proto)
        manager = http_connection_manager_pb2.HttpConnectionManager()
        proto.filter_chains[0].filters[0].typed_config.Unpack(manager)
        added = http_connection_manager_pb2.HttpFilter(name=filter_entry["name"])
        added.typed_config.CopyFrom(filter_entry["typed_config"])
        manager.http_filters.insert(0, added)
        proto.filter_chains[0].filters[0].typed_config.Pack(manager)
        one = message.resources.add(name=listener["name"], version="1")
        one.resource.Pack(proto)
        self.stream.out.put(message)
        return "with-alpn"


def any_of_alpn():
    """istio.alpn's FilterConfig by hand: HTTP/1.1 offers istio-http/1.1, istio; HTTP/2 offers istio-h2."""
    def field(number, payload):
        return bytes([number << 3 | 2, len(payload)]) + payload

    def override(protocol, *names):
        inner = (bytes([8, protocol]) if protocol else b"") + b"".join(field(2, name.encode()) for name in names)
        return field(1, inner)
    return any_pb2.Any(type_url=TYPE + "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
                       value=override(1, "istio-http/1.1", "istio") + override(2, "istio-h2", "istio"))


if __name__ == "__main__":
    unittest.main()
