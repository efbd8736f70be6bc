"""gRPC-Web: a browser's HTTP/1.1 calls reach a gRPC server, and its trailers come back as a message."""
import base64
import unittest

from mesh import *
from h2raw import *
from parity import EnvoyProxy, skip_without_envoy
from test_http2_connections import Upstream, answer

MESSAGE = b"\0\0\0\0\3abc"
TRAILERS = b"grpc-status:0\r\ngrpc-message:fine\r\n"
TRAILER_FRAME = b"\x80" + struct.pack(">I", len(TRAILERS)) + TRAILERS


class GrpcWeb(unittest.TestCase):
    proxy_type = Proxy

    def setUp(self):
        def serve(peer, _):
            done = set()
            while not peer.closed:
                peer.pump(0.05)
                for stream in sorted(peer.ended - done):
                    done.add(stream)
                    self.seen = dict(peer.heads[stream][0]), peer.bodies.get(stream)
                    if self.seen[0][":path"] == "/status":
                        answer(peer, stream, [(":status", "200"), ("content-type", "application/grpc"),
                                              ("grpc-status", "5")])
                        continue
                    answer(peer, stream, [(":status", "200"), ("content-type", "application/grpc")],
                           body=peer.bodies.get(stream, b"") * 2, last=False)
                    peer.send(frame(HEADERS, END_HEADERS | END_STREAM, stream,
                                    block([("grpc-status", "0"), ("grpc-message", "fine")])))

        upstream = Upstream(serve)
        self.addCleanup(upstream.close)
        self.proxy = self.proxy_type([http_listener("in", "up", filters=[http_filter("grpc_web")])],
                                     [cluster("up", upstream.port, **http2())])
        self.addCleanup(self.proxy.close)

    def call(self, body, path="/a.B/C", **headers):
        return request(self.proxy.ports["in"], path, "POST", body,
                       {name.replace("_", "-"): value for name, value in headers.items()})

    def test_binary(self):
        status, headers, body = self.call(MESSAGE, content_type="application/grpc-web+proto", x_grpc_web="1")
        self.assertEqual((status, headers["content-type"]), (200, "application/grpc-web+proto"))
        self.assertEqual(body, MESSAGE * 2 + TRAILER_FRAME)
        head, sent = self.seen
        self.assertEqual((head["content-type"], head["te"], sent), ("application/grpc", "trailers", MESSAGE))
        self.assertNotIn("content-length", head)

    def test_text(self):
        sent = base64.b64encode(MESSAGE)
        status, headers, body = self.call(sent, content_type="application/grpc-web-text",
                                          accept="application/grpc-web-text")
        self.assertEqual((status, headers["content-type"]), (200, "application/grpc-web-text+proto"))
        self.assertEqual(body, base64.b64encode(MESSAGE) * 2 + base64.b64encode(TRAILER_FRAME))
        self.assertEqual(self.seen[1], MESSAGE)

    def test_a_text_request_may_have_a_binary_answer(self):
        body = self.call(base64.b64encode(MESSAGE), content_type="application/grpc-web-text+proto")[2]
        self.assertEqual(body, MESSAGE * 2 + TRAILER_FRAME)

    def test_an_answer_of_trailers_alone_keeps_its_head(self):
        status, headers, body = self.call(MESSAGE, "/status", content_type="application/grpc-web")
        self.assertEqual((status, headers["grpc-status"], body), (200, "5", b""))
        self.assertEqual(headers["content-type"], "application/grpc-web+proto")

    def test_text_that_is_not_base64_is_refused(self):
        for bad in (b"***=", base64.b64encode(MESSAGE)[:-1]):
            headers = self.call(bad, content_type="application/grpc-web-text")[1]
            self.assertEqual((headers["grpc-status"], headers["grpc-message"]),
                             ("13", "Bad gRPC-web request, invalid base64 data."))

    def test_other_calls_pass_as_they_are(self):
        status, headers, body = self.call(MESSAGE, content_type="application/grpc")
        self.assertEqual((headers["content-type"], body), ("application/grpc", MESSAGE * 2))


class GrpcWebInEnvoy(GrpcWeb):
    """What is asked for above is what a real Envoy does."""
    proxy_type = EnvoyProxy


if __name__ == "__main__":
    skip_without_envoy()
    unittest.main()
