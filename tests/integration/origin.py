"""Servers for the tests to put behind a proxy: they show what they were asked, or misbehave when asked to."""
import collections
import http.server
import re
import socket
import socketserver
import ssl
import threading

HELD_SECONDS_MAX = 20


class EchoOrigin:
    """An HTTP/1.1 server on a free port. Its answer is the request as it came, as text; a path may ask for more:

    /status/N answers N;  /count/K says how often a path that named K (any last or last but one part) was asked;
    /flaky/K/N answers 503 to the first N;  /flaky-close/K/N closes instead;  /close closes without an answer;
    /half closes in the middle of the body;  /big/N answers N bytes;  /chunked answers in chunks;
    /hop answers with hop-by-hop headers;  /hold waits for release();  /hold/once/K only the first time.
    """

    def __init__(self, name, tls=None):
        origin = self
        self.name = name
        self.reset()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                origin.answer(self)

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

            def log_message(self, *args):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            handle_error = lambda self, request, address: None  # A peer that leaves is part of the tests.
            request_queue_size = 128

            def finish_request(self, request, address):
                # The handshake belongs to the connection's own thread.
                super().finish_request(tls.wrap_socket(request, server_side=True) if tls else request, address)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self):
        self.counts = collections.Counter()
        self.lock = threading.Lock()
        self.waiting = 0
        self.released = threading.Event()

    def release(self):
        """Lets all go that wait at /hold now."""
        with self.lock:
            held, self.released = self.released, threading.Event()
        held.set()

    def close(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        body = read_body(request)
        parts = request.path.partition("?")[0].strip("/").split("/")
        with self.lock:
            for key in parts[1:]:
                self.counts[key] += 1
            if len(parts) == 1:
                self.counts[parts[0]] += 1
            times, gate = self.counts[parts[1]] if len(parts) > 1 else 0, self.released
        self.misbehave(request, parts, times, gate)
        if parts[0] in ("close", "flaky-close") and (parts[0] == "close" or times <= int(parts[2])):
            request.close_connection = True
            return
        text = b"".join([f"{request.command} {request.path}\n".encode(), show(request.headers), b"\n", body])
        status = 200
        if parts[0] == "status":
            status = int(parts[1])
        elif parts[0] == "flaky" and times <= int(parts[2]):
            status = 503
        elif parts[0] == "count":
            text = str(self.counts[parts[1]] - 1).encode()
        elif parts[0] == "big":
            text = b"x" * int(parts[1])
        self.send(request, parts, status, text)

    def misbehave(self, request, parts, times, gate):
        if parts[0] != "hold":
            return
        if parts[1:2] == ["once"]:
            with self.lock:
                times = self.counts[parts[2]]
            if times > 1:
                return
        with self.lock:
            self.waiting += 1
        gate.wait(HELD_SECONDS_MAX)
        with self.lock:
            self.waiting -= 1

    def send(self, request, parts, status, text):
        request.send_response(status)
        request.send_header("content-type", "text/plain")
        request.send_header("x-origin", self.name)
        if parts[0] == "hop":
            request.send_header("keep-alive", "timeout=5")
            request.send_header("connection", "x-hop")
            request.send_header("x-hop", "1")
        if parts[0] == "chunked":
            request.send_header("transfer-encoding", "chunked")
            request.end_headers()
            for piece in (b"first ", b"second"):
                request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            request.wfile.write(b"0\r\n\r\n")
            return
        if status not in (204, 304):
            request.send_header("content-length", str(len(text) + (100 if parts[0] == "half" else 0)))
        request.end_headers()
        if request.command != "HEAD" and status not in (204, 304):
            request.wfile.write(text)
        if parts[0] == "half":
            request.close_connection = True


def show(headers):
    """The headers that came, sorted; what differs from run to run is named, not shown."""
    lines = []
    for name, value in headers.items():
        name = name.lower()
        if name == "x-request-id" and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
            value = "(a UUID)"
        if name == "x-envoy-expected-rq-timeout-ms" and int(value) > 1000:
            value = f"at most {-(-int(value) // 1000)} s"  # Envoy says what is left.
        lines.append(f"{name}: {value}\n")
    return "".join(sorted(lines)).encode()


def read_body(request):
    if request.headers.get("transfer-encoding", "").lower() != "chunked":
        return request.rfile.read(int(request.headers.get("content-length", 0)))
    body = b""
    while size := int(request.rfile.readline().split(b";")[0], 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    while request.rfile.readline().strip():
        pass
    return body


class BannerOrigin:
    """Speaks first, then returns in capitals what it got until the peer's end."""

    def __init__(self):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(b"banner:")
                while data := self.request.recv(65536):
                    self.request.sendall(data.upper())
                self.request.shutdown(socket.SHUT_WR)

        class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
            daemon_threads = True
            handle_error = lambda self, request, address: None

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def mutual_tls(certs, name):
    """A server's context that wants a certificate of the same root."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certs}/{name}.pem", f"{certs}/{name}.key")
    context.load_verify_locations(f"{certs}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context
