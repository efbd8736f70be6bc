"""Starts real binaries on free ports for the integration tests, and ends them by id."""
import http.server
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

BIN = os.environ["PINNACE_BIN"]
GO_TOOLS = os.path.join(os.environ["PINNACE_SOURCE"], "build", "go")
TYPES = "type.googleapis.com/envoy.extensions"
HCM = TYPES + ".filters.network.http_connection_manager.v3.HttpConnectionManager"

# What a sanitizer frees stays in its quarantine: resident memory says nothing about the proxy there.
SANITIZED = bool(os.environ.get("PINNACE_SANITIZE"))


def wait_for(what, seconds=10.0):
    """Polls `what` until it is true; an AssertionError if it never is."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, "timed out"
        threading.Event().wait(0.01)


def end_in_order(process, seconds=20):
    """Two different signals end a proxy at once, in order: destructors and the leak check run."""
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError("the proxy does not end when it is asked to")
    assert code == 0, f"the proxy ended with {code}"


class Proxy:
    """One pinnace-proxy on the given static resources."""
    arguments = ()

    def __init__(self, listeners, clusters, concurrency=1):
        self.dir = tempfile.TemporaryDirectory(prefix="pinnace-test-")
        config = {"admin": {"address": address("127.0.0.1", 0)},
                  "static_resources": {"listeners": listeners, "clusters": clusters}}
        path = os.path.join(self.dir.name, "bootstrap.json")
        with open(path, "w") as file:
            json.dump(self.bootstrap(config), file)
        self.ports_path = ports = os.path.join(self.dir.name, "ports.json")
        self.log = open(os.path.join(self.dir.name, "log"), "w+")
        self.process = subprocess.Popen(
            [os.path.join(BIN, "pinnace-proxy"), "-c", path, "--ports-file", ports,
             "--concurrency", str(concurrency), *self.arguments], stderr=self.log)
        try:
            wait_for(lambda: os.path.exists(ports) or self.process.poll() is not None)
            self.log.seek(0)
            assert self.process.poll() is None, self.log.read()
        except AssertionError:
            self.close()
            raise
        with open(ports) as file:
            self.ports = json.load(file)

    def bootstrap(self, config):
        return config

    def admin(self, path, method="GET"):
        return request(self.ports["admin"], path, method=method)[2].decode()

    def stat(self, name):
        for line in self.admin("/stats").splitlines():
            if line.startswith(name + ": "):
                return int(line.split(": ")[1])
        raise KeyError(name)

    def close(self):
        try:
            if self.process.poll() is None:
                end_in_order(self.process)
        finally:
            self.log.close()
            self.dir.cleanup()


class Origin:
    """An HTTP server of the standard library that answers with what it was asked."""

    def __init__(self, gate=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def read_body(self):
                if self.headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                body = b""
                while size := int(self.rfile.readline() or b"0", 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return body

            def do_GET(self):
                if gate is not None:
                    gate.wait(20)
                body = self.read_body() or self.path.encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.send_header("x-seen-id", self.headers.get("x-request-id", ""))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *args):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            # A client that left early is what some tests are about.
            handle_error = lambda self, request, address: None
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def request(port, path="/", method="GET", body=None, headers=None):
    """(status, headers, body) of one request on a connection of its own; `headers` a dict or a list of pairs."""
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    try:
        connection.putrequest(method, path, skip_host=any(name.lower() == "host" for name, _ in pairs),
                              skip_accept_encoding=any(name.lower() == "accept-encoding" for name, _ in pairs))
        if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in pairs):
            pairs.append(("content-length", str(len(body))))
        for name, value in pairs:
            connection.putheader(name, value)
        body = body.encode() if isinstance(body, str) else body
        connection.endheaders(body, encode_chunked=any(name.lower() == "transfer-encoding" for name, _ in pairs))
        answer = connection.getresponse()
        return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()
    finally:
        connection.close()


def address(ip, port):
    return {"socket_address": {"address": ip, "port_value": port}}


def cluster(name, port, **more):
    return {"name": name, "type": "STATIC", "connect_timeout": "2s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": address("127.0.0.1", port)}}]}]}, **more}


def needs(*programs):
    """Ends the test as skipped if one of the Go programs that tools/test builds is not there."""
    for program in programs:
        if not os.path.exists(os.path.join(GO_TOOLS, program)):
            print(f"SKIPPED: {program} is not built: tools/test builds it where there is Go 1.24 or newer")
            sys.exit(77)


def http_filter(name, config=None, message=None, **more):
    """An entry of http_filters: "fault", {...}; `message` where it is not the name in CamelCase."""
    message = message or "".join(part.capitalize() for part in name.split("_"))
    return {"name": name, "typed_config": {"@type": f"{TYPES}.filters.http.{name}.v3.{message}", **(config or {})},
            **more}


def http_listener(name, target, log=None, route=None, filters=(), routes=None, host=None, **chain):
    """`routes` instead of one for everything; `host`: more of the virtual host."""
    manager = {"@type": HCM, "stat_prefix": name,
               "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes or [
                   {"match": {"prefix": "/"}, "route": {"cluster": target, **(route or {})}}], **(host or {})}]},
               "http_filters": [*filters, {"name": "router", "typed_config": {
                   "@type": TYPES + ".filters.http.router.v3.Router"}}]}
    if log:
        manager["access_log"] = [{"name": "file", "typed_config": {
            "@type": TYPES + ".access_loggers.file.v3.FileAccessLog", "path": log,
            "log_format": {"json_format": {"code": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%",
                                           "details": "%RESPONSE_CODE_DETAILS%",
                                           "peer": "%DOWNSTREAM_PEER_URI_SAN%"}}}}]
    return {"name": name, "address": address("127.0.0.1", 0), "filter_chains": [
        {"filters": [{"name": "http", "typed_config": manager}], **chain}]}


def tcp_listener(name, target, **chain):
    return {"name": name, "address": address("127.0.0.1", 0), "filter_chains": [
        {"filters": [{"name": "tcp", "typed_config": {
            "@type": TYPES + ".filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": name,
            "cluster": target}}], **chain}]}


def http2(**options):
    """A cluster's settings for HTTP/2 with these Http2ProtocolOptions."""
    return {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": TYPES + ".upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": options}}}}


def tls(kind, certs, name, **more):
    """A transport socket; kind is Downstream or Upstream."""
    def file(suffix):
        return {"filename": os.path.join(certs, name + suffix)}
    return {"transport_socket": {"name": "tls", "typed_config": {
        "@type": f"{TYPES}.transport_sockets.tls.v3.{kind}TlsContext",
        "common_tls_context": {
            "tls_certificates": [{"certificate_chain": file(".pem"), "private_key": file(".key")}],
            "validation_context": {"trusted_ca": {"filename": os.path.join(certs, "ca.pem")},
                                   **more.pop("validation", {})}}, **more}}}


def make_certs(folder, names):
    """A P-256 root and a SPIFFE certificate for each name, by the openssl program."""
    def run(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
        "-out", "ca.pem", "-days", "2", "-subj", "/O=mesh")
    for name in names:
        with open(os.path.join(folder, name + ".ext"), "w") as file:
            file.write(f"subjectAltName=critical,URI:spiffe://cluster.local/ns/shop/sa/{name}\n"
                       "extendedKeyUsage=serverAuth,clientAuth\n")
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-out", name + ".csr", "-subj", "/O=" + name)
        run("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", name + ".ext", "-out", name + ".pem")
