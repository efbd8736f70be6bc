"""HTTP filters in a running pinnace-proxy: what needs real sockets, time or several workers."""
import struct
import time
import unittest

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
