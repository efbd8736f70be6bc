"""HTTP filters in a running pinnace-proxy: what needs real sockets, time or several workers."""
import concurrent.futures
import http.server
import struct
import tempfile
import threading
import time
import unittest

from jwts import Key, jwks
from mesh import *

ALL = {"numerator": 100}


class Filters(unittest.TestCase):
    def start(self, *filters, clusters=None, concurrency=1, **listener):
        origin = Origin()
        self.addCleanup(origin.close)
        proxy = Proxy([http_listener("in", "up", filters=filters, **listener)],
                      [cluster("up", origin.port), *(clusters or [])], concurrency)
        self.addCleanup(proxy.close)
        return proxy

    def test_a_delay_is_waited_for_and_bodies_pass_it_whole(self):
        proxy = self.start(http_filter("fault", {"delay": {"fixed_delay": "0.3s", "percentage": ALL}}, "HTTPFault"))
        body = bytes(range(256)) * 12_000  # More than is held: the client waits.
        began = time.monotonic()
        status, _, got = request(proxy.ports["in"], "/", "POST", body)
        self.assertGreater(time.monotonic() - began, 0.3)
        self.assertEqual((status, got == body), (200, True))
        self.assertEqual(proxy.stat("http.in.fault.delays_injected"), 1)
        self.assertEqual(proxy.stat("http.in.fault.active_faults"), 0)

    def test_a_client_that_leaves_during_a_delay_ends_it(self):
        proxy = self.start(http_filter("fault", {"delay": {"fixed_delay": "60s", "percentage": ALL}}, "HTTPFault"))
        with socket.create_connection(("127.0.0.1", proxy.ports["in"])) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            wait_for(lambda: proxy.stat("http.in.fault.active_faults") == 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, no half-close
        wait_for(lambda: proxy.stat("http.in.fault.active_faults") == 0)

    def test_a_local_limit_is_exact_over_all_workers(self):
        proxy = self.start(http_filter("local_ratelimit", {
            "stat_prefix": "limit", "filter_enabled": {"default_value": ALL}, "filter_enforced": {"default_value": ALL},
            "token_bucket": {"max_tokens": 100, "tokens_per_fill": 1, "fill_interval": "3600s"}}, "LocalRateLimit"),
            concurrency=4)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda _: request(proxy.ports["in"])[0], range(200)))
        self.assertEqual((statuses.count(200), statuses.count(429)), (100, 100))
        self.assertEqual(proxy.stat("limit.http_local_rate_limit.enforced"), 100)

    def test_keys_are_fetched_from_the_issuer_once_for_many_requests(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        key, asked, gate = Key(folder.name, "k"), [], threading.Event()
        self.addCleanup(gate.set)

        class Issuer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append((self.path, self.headers["host"]))
                gate.wait(20)
                body = jwks(key).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        proxy = self.start(http_filter("jwt_authn", {
            "providers": {"p": {"issuer": "me", "remote_jwks": {"http_uri": {
                "uri": "http://issuer.example/keys", "cluster": "issuer", "timeout": "5s"}}, "claim_to_headers": [
                    {"header_name": "x-request-id", "claim_name": "sub"}]}},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}, "JwtAuthentication"),
            clusters=[cluster("issuer", server.server_address[1])])
        good = {"authorization": "Bearer " + key.token({"iss": "me", "sub": "anne"})}
        bad = {"authorization": "Bearer " + key.token({"iss": "me"})[:-8] + "AAAAAAAA"}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(request, proxy.ports["in"], "/", "GET", None, good) for _ in range(4)]
            waiting += [pool.submit(request, proxy.ports["in"], "/", "GET", None, bad) for _ in range(4)]
            wait_for(lambda: asked)
            self.assertEqual(request(proxy.ports["in"])[0], 401)  # Without a token nobody waits.
            gate.set()
            self.assertEqual([one.result()[0] for one in waiting], [200] * 4 + [401] * 4)
        self.assertEqual(asked, [("/keys", "issuer.example")])
        self.assertEqual(proxy.stat("http.in.jwt_authn.jwks_fetch_success"), 1)

    def test_an_unknown_filter_is_named(self):
        with self.assertRaises(AssertionError) as caught:
            self.start({"name": "odd", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Duration",
                                                        "value": "1s"}})
        self.assertIn("http_filters[0].typed_config: type google.protobuf.Duration is not supported",
                      str(caught.exception))

    def test_settings_that_make_no_sense_name_filter_field_and_rule(self):
        with self.assertRaises(AssertionError) as caught:
            self.start(http_filter("fault", {"abort": {"http_status": 99, "percentage": ALL}}, "HTTPFault"))
        self.assertIn("http_filters['fault']: abort.http_status: not in 200..599", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
