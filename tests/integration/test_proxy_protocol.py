"""PROXY protocol in and out, TLS passthrough by name, and servers that speak first."""
import os
import socket
import ssl
import struct
import tempfile
import threading
import time
import unittest

from mesh import *
from test_http1_desync import RawServer, converse
from test_http1_protocol import Scripted, listener, until

LISTENER = TYPES + ".filters.listener."
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def filters(*names, **more):
    return [{"name": name, "typed_config": {
        "@type": LISTENER + name + ".v3." + "".join(word.title() for word in name.split("_")), **more}}
        for name in names]


def upstream_proxy(version):
    return {"transport_socket": {"name": "upstream_proxy", "typed_config": {
        "@type": TYPES + ".transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        "config": {"version": version}, "transport_socket": {"name": "raw", "typed_config": {
            "@type": TYPES + ".transport_sockets.raw_buffer.v3.RawBuffer"}}}}}


class Connections(unittest.TestCase):
    def start(self, listeners, clusters):
        proxy = Proxy(listeners, clusters)
        self.addCleanup(proxy.close)
        return proxy

    def raw(self, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
        server = RawServer(answer)
        self.addCleanup(server.close)
        return server

    def scripted(self, handler):
        server = Scripted(handler)
        self.addCleanup(server.close)
        return server

    # PROXY protocol.

    def test_a_header_names_the_client_in_both_versions(self):
        server = self.raw()
        made = listener(use_remote_address=True)
        made["listener_filters"] = filters("proxy_protocol")
        proxy = self.start([made], [cluster("up", server.port)])
        ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        second = SIGNATURE + b"\x21\x11\0\x0c" + socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.8") + \
            struct.pack(">HH", 1000, 80)
        for header, seen in ((b"PROXY TCP4 192.0.2.5 192.0.2.6 1000 80\r\n", b"192.0.2.5"), (second, b"192.0.2.7"),
                             (b"PROXY UNKNOWN\r\n", b"127.0.0.1"), (SIGNATURE + b"\x20\0\0\0", b"127.0.0.1")):
            self.assertIn(b" 200 ", converse(proxy.ports["in"], header + ask)[0])
            self.assertIn(b"\r\nx-forwarded-for: " + seen, server.seen[-1])
        # In pieces, and without one, and with one that is broken.
        with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"PROXY TCP4 192.0.2.9 192.0.2.6 1 80\r\n" + ask:
                client.sendall(bytes([byte]))
            self.assertIn(b" 200 ", until(client, b"\r\n\r\n"))
        self.assertIn(b"\r\nx-forwarded-for: 192.0.2.9", server.seen[-1])
        for bad in (ask, b"PROXY TCP4 a b c d\r\n" + ask, SIGNATURE + b"\x31\x11\0\0" + ask):
            self.assertEqual(converse(proxy.ports["in"], bad), (b"", True))
        name = f"listener.127.0.0.1_0.proxy_proto."
        self.assertEqual(proxy.stat(name + "versions.v1.found"), 3)
        self.assertEqual(proxy.stat(name + "versions.v2.found"), 2)
        self.assertEqual(proxy.stat(name + "versions.v1.error"), 1)
        self.assertEqual(proxy.stat(name + "not_found_disallowed"), 1)

    def test_a_header_may_be_optional_and_a_version_disallowed(self):
        server = self.raw()
        made = listener()
        made["listener_filters"] = filters("proxy_protocol", allow_requests_without_proxy_protocol=True,
                                           disallowed_versions=["V1"])
        proxy = self.start([made], [cluster("up", server.port)])
        ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        self.assertIn(b" 200 ", converse(proxy.ports["in"], ask)[0])
        self.assertIn(b" 200 ", converse(proxy.ports["in"], SIGNATURE + b"\x20\0\0\0" + ask)[0])
        self.assertEqual(converse(proxy.ports["in"], b"PROXY UNKNOWN\r\n" + ask)[0], b"")

    def test_upstreams_get_a_header_from_tcp_and_from_http(self):
        for version, parse in (("V1", self.read_first), ("V2", self.read_second)):
            heads = []

            def serve(peer):
                heads.append(parse(peer))
                data = until(peer, b"\r\n\r\n")
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                while until(peer, b"\r\n\r\n"):
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

            server = self.scripted(serve)
            proxy = self.start([listener(), tcp_listener("tcp", "up")],
                               [cluster("up", server.port, **upstream_proxy(version))])
            for name in ("in", "tcp"):
                with socket.create_connection(("127.0.0.1", proxy.ports[name]), 10) as client:
                    for _ in range(2):
                        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                        self.assertIn(b" 200 ", until(client, b"\r\n\r\n"))
                    self.assertEqual(heads[-1], (client.getsockname(), ("127.0.0.1", proxy.ports[name])))
            # Another client never gets a connection that speaks for the first.
            with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertIn(b" 200 ", until(client, b"\r\n\r\n"))
                self.assertEqual(heads[-1][0], client.getsockname())
            self.assertEqual(len(heads), 3)

    @staticmethod
    def read_first(peer):
        line = b""
        while not line.endswith(b"\r\n"):
            line += peer.recv(1)
        _, _, source, destination, source_port, destination_port = line.decode().split()
        return (source, int(source_port)), (destination, int(destination_port))

    @staticmethod
    def read_second(peer):
        data = peer.recv(28, socket.MSG_WAITALL)
        assert data[:16] == SIGNATURE + b"\x21\x11\0\x0c", data
        ports = struct.unpack(">HH", data[24:])
        return (socket.inet_ntoa(data[16:20]), ports[0]), (socket.inet_ntoa(data[20:24]), ports[1])

    # TLS passthrough.

    def test_tls_is_passed_through_by_name(self):
        with tempfile.TemporaryDirectory() as certs:
            make_certs(certs, ["a", "b"])
            ports = {}
            for name in "ab":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(os.path.join(certs, name + ".pem"), os.path.join(certs, name + ".key"))

                def serve(peer, context=context, name=name):
                    with context.wrap_socket(peer, server_side=True) as secure:
                        secure.sendall(name.encode() + secure.recv(100))

                ports[name] = self.scripted(serve).port
            made = tcp_listener("in", "a")
            chain = made["filter_chains"][0]
            chain["filter_chain_match"] = {"server_names": ["a.example"]}
            other = tcp_listener("in", "b")["filter_chains"][0]
            other["filter_chain_match"] = {"server_names": ["*.b.example"]}
            made["filter_chains"].append(other)
            made["listener_filters"] = filters("tls_inspector")
            proxy = self.start([made], [cluster("a", ports["a"]), cluster("b", ports["b"])])
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            for name, expected in (("a.example", b"ahi"), ("x.b.example", b"bhi")):
                with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as plain, \
                        context.wrap_socket(plain, server_hostname=name) as secure:
                    secure.sendall(b"hi")
                    self.assertEqual(secure.recv(100), expected)
            with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as plain:
                with self.assertRaises(OSError):
                    context.wrap_socket(plain, server_hostname="c.example")

    # Who speaks first.

    def detecting(self, port):
        """HTTP or opaque bytes on one port, as for a port whose protocol nobody declared."""
        made = listener()
        made["filter_chains"][0]["filter_chain_match"] = {"application_protocols": ["http/1.1", "h2c"]}
        made["filter_chains"].append(tcp_listener("in", "up")["filter_chains"][0])
        made["listener_filters"] = filters("http_inspector")
        made["listener_filters_timeout"] = "15s"
        return self.start([made], [cluster("up", port)])

    def test_a_server_that_speaks_first_does_not_wait(self):
        def serve(peer):
            peer.sendall(b"\x4a\0\0\0\x0a8.0.0")
            peer.sendall(b"got " + peer.recv(100))

        proxy = self.detecting(self.scripted(serve).port)
        for _ in range(3):
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as client:
                self.assertEqual(until(client, b"8.0.0"), b"\x4a\0\0\0\x0a8.0.0")
                self.assertLess(time.monotonic() - began, 2)
                client.sendall(b"login")
                self.assertEqual(until(client, b"got login"), b"got login")
        # The connection that showed it is the one that served.
        self.assertEqual(proxy.stat("cluster.up.upstream_cx_total"), 3)
        wait_for(lambda: proxy.stat("cluster.up.upstream_cx_active") == 0)

    def test_a_client_that_is_slow_to_speak_is_still_heard(self):
        def serve(peer):
            data = peer.recv(100)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" if data.startswith(b"GET ") else b"raw " + data)

        proxy = self.detecting(self.scripted(serve).port)
        for first, expected in ((b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\r\nok"), (b"\x01\x02", b"raw \x01\x02")):
            with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as client:
                wait_for(lambda: proxy.stat("cluster.up.upstream_cx_active") == 1)  # It was connected to early.
                client.sendall(first)
                self.assertTrue(until(client, expected).endswith(expected))
            wait_for(lambda: proxy.stat("cluster.up.upstream_cx_active") <= 1)
        self.assertEqual(proxy.stat("http.in.downstream_rq_2xx"), 1)

    def test_a_server_that_tells_a_silent_client_off_in_http_is_http(self):
        def serve(peer):
            peer.settimeout(0.1)
            try:
                until(peer, b"\r\n\r\n")
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            except TimeoutError:
                peer.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

        proxy = self.detecting(self.scripted(serve).port)
        with socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as client:
            wait_for(lambda: proxy.stat("cluster.up.upstream_cx_total") == 1)
            wait_for(lambda: proxy.stat("cluster.up.upstream_cx_active") == 0)
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(until(client, b"ok").startswith(b"HTTP/1.1 200 "))


if __name__ == "__main__":
    unittest.main()
