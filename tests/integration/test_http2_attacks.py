"""What hostile or broken HTTP/2 peers send ends in the right error, in bounded memory, and is counted."""
import socket
import threading
import unittest

from mesh import *
from h2raw import *

RSS_GROWTH_MAX_KB = float("inf") if SANITIZED else 24 * 1024
POST_WAIT = [(name, "/wait" if name == ":path" else value) for name, value in POST]


def rss_kb(process):
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Recorder:
    """An HTTP/1.1 server that keeps what it is sent, byte for byte, and answers each head with 200; but a
    megabyte to /large, and nothing to /wait."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.received = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        data = b""
        with peer:
            while chunk := peer.recv(65536):
                self.received.append(chunk)
                data += chunk
                while b"\r\n\r\n" in data and b"/wait" not in data:
                    head, data = data.split(b"\r\n\r\n", 1)
                    body = b"x" * 1_000_000 if b"/large" in head else b""
                    peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    def close(self):
        self.server.close()


class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = Recorder()
        listener = http_listener("in", "up")
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        manager["stream_idle_timeout"] = "2s"
        manager["http2_protocol_options"] = {"max_concurrent_streams": 100}
        cls.proxy = Proxy([listener], [cluster("up", cls.origin.port)])
        assert request(cls.proxy.ports["in"])[0] == 200  # Whatever is made once is made.

    @classmethod
    def tearDownClass(cls):
        cls.proxy.close()
        cls.origin.close()

    def setUp(self):
        self.before = rss_kb(self.proxy.process)
        self.cpu = cpu_seconds(self.proxy.process)
        self.peers = []

    def tearDown(self):
        for peer in self.peers:
            peer.close()
        self.assertIsNone(self.proxy.process.poll())
        self.assertLess(rss_kb(self.proxy.process) - self.before, RSS_GROWTH_MAX_KB)
        self.assertLess(cpu_seconds(self.proxy.process) - self.cpu, 2)
        self.assertEqual(request(self.proxy.ports["in"])[0], 200)

    def peer(self, **more):
        peer = Peer(self.proxy.ports["in"], **more)
        self.peers.append(peer)
        peer.wait(lambda: peer.frames)
        return peer

    def stat(self, name):
        return self.proxy.stat(name)

    def flood(self, counter, pieces, code=ENHANCE_YOUR_CALM, first=b""):
        """Sends `pieces` until the proxy has had enough."""
        before = self.stat(counter)
        peer = self.peer()
        peer.send(first)
        for piece in pieces:
            if not peer.send(piece):
                break
            peer.pump()
            if peer.goaways or peer.closed:
                break
        self.assertEqual(peer.wait_goaway(), code)
        peer.wait(lambda: peer.closed)
        self.assertEqual(self.stat(counter), before + 1)

    # Floods.
    def test_rapid_reset(self):
        pieces = (frame(HEADERS, END_HEADERS | END_STREAM, i, block(GET)) +
                  frame(RST_STREAM, 0, i, b"\0\0\0\x08") for i in range(1, 20001, 2))
        self.flood("http.in.downstream_rq_too_many_premature_resets", pieces)

    def test_made_you_reset(self):
        # The peer makes us reset, by window updates of nothing: not fewer streams than by its own resets.
        peer = self.peer()
        for i in range(1, 20001, 2):
            if not peer.send(frame(HEADERS, END_HEADERS, i, block(POST)) +
                             frame(WINDOW_UPDATE, 0, i, b"\0\0\0\0")):
                break
            peer.pump()
            if peer.goaways:
                break
        self.assertIn(peer.wait_goaway(), (ENHANCE_YOUR_CALM, PROTOCOL_ERROR))
        self.assertLess(len(peer.resets), 2000)

    def test_continuation_flood(self):
        first = frame(HEADERS, END_STREAM, 1, block(GET))
        pieces = (frame(CONTINUATION, 0, 1, block([("x", "y" * 100)])) for _ in range(10000))
        self.flood("http2.continuation_flood", pieces, first=first)

    def test_empty_continuations(self):
        first = frame(HEADERS, END_STREAM, 1, block(GET))
        self.flood("http2.inbound_empty_frames_flood", (frame(CONTINUATION, 0, 1) for _ in range(100)), first=first)

    def test_empty_data(self):
        first = frame(HEADERS, END_HEADERS, 1, block(POST_WAIT))
        self.flood("http2.inbound_empty_frames_flood", (frame(DATA, 0, 1) for _ in range(100)), first=first)

    def test_settings_flood(self):
        self.flood("http2.inbound_control_frames_flood", (frame(SETTINGS) * 100 for _ in range(200)))

    def test_ping_flood(self):
        self.flood("http2.inbound_control_frames_flood",
                   (frame(PING, 0, 0, b"12345678") * 100 for _ in range(200)))

    def test_priority_flood(self):
        self.flood("http2.inbound_priority_frames_flood",
                   (frame(PRIORITY, 0, 2 * i + 1, b"\0\0\0\0\1") for i in range(2000)))

    def test_window_update_flood(self):
        self.flood("http2.inbound_window_update_frames_flood",
                   (frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") for _ in range(2000)))

    def test_a_peer_that_pings_and_never_reads(self):
        peer = self.peer()
        peer.sock.settimeout(2)
        for _ in range(5000):
            if not peer.send(frame(PING, 0, 0, b"12345678") * 100):
                break
        peer.wait(lambda: peer.closed)

    # Heads.
    def test_a_header_list_over_the_limit_is_431(self):
        peer = self.peer()
        fields = GET + [(f"x-{i}", "v" * 1000) for i in range(70)]
        data = block(fields)
        kinds = [HEADERS] + [CONTINUATION] * 10
        parts = [data[i:i + 16000] for i in range(0, len(data), 16000)]
        for i, part in enumerate(parts):
            flags = (END_STREAM if i == 0 else 0) | (END_HEADERS if i == len(parts) - 1 else 0)
            peer.send(frame(kinds[i], flags, 1, part))
        peer.wait(lambda: 1 in peer.heads)
        self.assertEqual(peer.status(1), "431")
        peer.request(3)
        peer.wait(lambda: 3 in peer.heads)

    def test_cookie_crumbs_are_counted(self):
        peer = self.peer()
        peer.request(1, GET + [("cookie", "a=b")] * 200)
        peer.wait(lambda: 1 in peer.heads)
        self.assertEqual(peer.status(1), "431")

    def test_an_hpack_bomb_is_bounded(self):
        before = self.stat("http2.header_overflow")
        peer = self.peer()
        # One entry of 4,000 bytes in the dynamic table, named by one byte each after that.
        bomb = block(GET) + b"\x40" + text("x-b") + text("v" * 4000) + b"\xbe" * 10000
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, bomb))
        peer.wait(lambda: 1 in peer.resets or 1 in peer.heads)
        self.assertEqual(peer.resets.get(1), ENHANCE_YOUR_CALM)
        self.assertEqual(self.stat("http2.header_overflow"), before + 1)

    def test_a_table_larger_than_agreed_is_a_compression_error(self):
        peer = self.peer()
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xe1\xff\x03" + block(GET)))
        self.assertEqual(peer.wait_goaway(), COMPRESSION_ERROR)

    def refused(self, fields, last=True):
        """The stream is reset with PROTOCOL_ERROR, counted, never seen upstream; the next one is served."""
        before = self.stat("http2.rx_messaging_error")
        del self.origin.received[:]
        peer = self.peer()
        peer.request(1, fields, last)
        peer.request(3)
        peer.wait(lambda: 3 in peer.heads)
        self.assertEqual(peer.resets.get(1), PROTOCOL_ERROR, fields)
        self.assertEqual(self.stat("http2.rx_messaging_error"), before + 1, fields)
        self.assertEqual(b"".join(self.origin.received).count(b"HTTP/1.1\r\n"), 1, fields)
        self.assertNotIn(b"evil", b"".join(self.origin.received))

    def test_malformed_fields(self):
        for field in (("X-Evil", "1"), ("x evil", "1"), ("x-evil:", "1"), ("", "evil"), ("x-evil\0", "1"),
                      ("x-evil\r\ny", "1"), ("x-e\xf6vil", "1"), ("x-evil", "a\0b"), ("x-evil", "a\r\nb: c"),
                      ("x-evil", "a\nb"), ("x-evil", "a\rb"), ("x-evil", " a"), ("x-evil", "a\t"),
                      ("connection", "evil"), ("keep-alive", "evil"), ("proxy-connection", "evil"),
                      ("transfer-encoding", "chunked"), ("transfer-encoding", "evil"), ("upgrade", "evil"),
                      ("te", "evil"), ("te", "trailers, evil"), ("content-length", "evil"), ("content-length", "-1"),
                      ("content-length", "+5"), ("content-length", ""), ("host", "evil"), (":evil", "1")):
            with self.subTest(field):
                self.refused(GET + [field])

    def test_malformed_pseudo_headers(self):
        get = dict(GET)
        for name in (":method", ":scheme", ":path"):
            with self.subTest("without " + name):
                self.refused([(k, v) for k, v in GET if k != name])
            with self.subTest("twice " + name):
                self.refused(GET + [(name, get[name])])
        with self.subTest("no authority"):
            self.refused([(k, v) for k, v in GET if k != ":authority"])
        with self.subTest("after a field"):
            self.refused(GET[:3] + [("x", "y"), GET[3]])
        with self.subTest("of an answer"):
            self.refused(GET + [(":status", "200")])
        with self.subTest("protocol without CONNECT"):
            self.refused(GET + [(":protocol", "websocket")])
        with self.subTest("connect with a path"):
            self.refused([(":method", "CONNECT"), (":path", "/evil"), (":authority", "a:1")])
        for name, values in ((":method", ("GE T", "GET /evil HTTP/1.1", "", "G\r\nevil", "GET\0")),
                             (":path", ("", "evil", "/a evil", "/evil HTTP/1.1\r\nx: y", "/\0evil", "/e\x7fvil",
                                        "/a#evil", "*", "http://evil/")),
                             (":scheme", ("", "ht tp", "http://evil/", "http\r\n")),
                             (":authority", ("a evil", "a\r\nevil: 1", "evil/a", "evil@a", "evil?a", "evil#a", "a\\evil",
                                             "evil\0"))):
            for value in values:
                with self.subTest((name, value)):
                    self.refused([(k, value if k == name else v) for k, v in GET])

    def test_the_host_field_may_repeat_the_authority_only(self):
        peer = self.peer()
        peer.request(1, GET + [("host", "a")])
        peer.wait(lambda: 1 in peer.heads)
        self.assertEqual(peer.status(1), "200")

    def test_content_length_must_agree_with_data(self):
        for length, pieces in ((5, [b"abc"]), (2, [b"abc"]), (0, [b"abc"]), (3, [b"ab", b"cde"])):
            with self.subTest((length, pieces)):
                peer = self.peer()
                peer.request(1, POST_WAIT + [("content-length", str(length))], last=False)
                for i, piece in enumerate(pieces):
                    peer.send(frame(DATA, END_STREAM if i == len(pieces) - 1 else 0, 1, piece))
                peer.wait(lambda: 1 in peer.resets)
                self.assertEqual(peer.resets[1], PROTOCOL_ERROR)
        with self.subTest("two that differ"):
            self.refused(POST + [("content-length", "1"), ("content-length", "2")])
        with self.subTest("none of a body that is promised"):
            self.refused(POST + [("content-length", "5")])

    def test_a_body_cannot_become_a_second_request(self):
        del self.origin.received[:]
        peer = self.peer()
        peer.request(1, POST, last=False)
        peer.send(frame(DATA, END_STREAM, 1, b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"))
        peer.wait(lambda: 1 in peer.heads)
        sent = wait_for(lambda: b"".join(self.origin.received).endswith(b"\r\n0\r\n\r\n") and
                        b"".join(self.origin.received))
        head, body = sent.split(b"\r\n\r\n", 1)
        self.assertIn(b"\r\ntransfer-encoding: chunked", head.lower())
        self.assertTrue(body.startswith(b"28\r\n0\r\n\r\nGET /smuggled"), body)

    def test_trailers_with_pseudo_headers(self):
        for trailer in ((":path", "/evil"), (":status", "200"), ("X", "y"), ("connection", "close"), ("a", "b\nc")):
            with self.subTest(trailer):
                peer = self.peer()
                peer.request(1, POST_WAIT, last=False)
                peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block([trailer])))
                peer.wait(lambda: 1 in peer.resets)
                self.assertEqual(peer.resets[1], PROTOCOL_ERROR)

    def test_a_head_that_does_not_end_is_given_up(self):
        proxy = self.timed()
        for piece in (PREFACE[:10], PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, block(GET))[:12],
                      PREFACE + frame(SETTINGS) + frame(HEADERS, END_STREAM, 1, block(GET))):
            with self.subTest(piece), socket.create_connection(("127.0.0.1", proxy.ports["in"]), 10) as slow:
                slow.sendall(piece)
                got = b""
                while chunk := slow.recv(4096):
                    got += chunk
                if len(piece) > len(PREFACE):
                    self.assertIn(b"\0\0\0\x0b", got[-4:])
        self.assertEqual(proxy.stat("http.in.downstream_rq_header_timeout"), 3)
        peer = Peer(proxy.ports["in"])
        self.peers.append(peer)
        peer.request(1)
        peer.wait(lambda: 1 in peer.heads)
        time.sleep(0.5)
        peer.request(3)
        peer.wait(lambda: 3 in peer.heads)

    def timed(self):
        listener = http_listener("in", "up")
        listener["filter_chains"][0]["filters"][0]["typed_config"]["request_headers_timeout"] = "0.3s"
        proxy = Proxy([listener], [cluster("up", self.origin.port)])
        self.addCleanup(proxy.close)
        return proxy

    # Streams and windows.
    def test_more_streams_than_allowed(self):
        gate = threading.Event()
        slow = Origin(gate=gate)
        proxy = Proxy([http_listener("in", "up")], [cluster("up", slow.port)])
        try:
            peer = Peer(proxy.ports["in"])
            self.peers.append(peer)
            peer.pump(0.2)
            for i in range(1100):
                peer.request(2 * i + 1)
                peer.pump()
            peer.wait(lambda: peer.goaways or len(peer.resets) >= 70)
            for code in peer.resets.values():
                self.assertIn(code, (REFUSED_STREAM, PROTOCOL_ERROR))
            self.assertLessEqual(proxy.stat("http.in.downstream_rq_total"), 1024)
        finally:
            gate.set()
            proxy.close()
            slow.close()

    def test_windows_that_never_open_cost_little_and_end(self):
        peer = self.peer(settings=b"\0\4\0\0\0\0")
        peer.pump(0.1)
        for i in range(90):
            peer.request(2 * i + 1, [(k, "/large" if k == ":path" else v) for k, v in GET])
            peer.pump()
        peer.wait(lambda: len(peer.heads) == 90)
        self.assertLess(rss_kb(self.proxy.process) - self.before, RSS_GROWTH_MAX_KB)
        peer.wait(lambda: len(peer.resets) == 90, 15)
        self.assertEqual(self.stat("http2.streams_active"), 0)

    def test_a_window_past_its_end_is_a_flow_control_error(self):
        peer = self.peer()
        peer.send(frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"))
        self.assertEqual(peer.wait_goaway(), FLOW_CONTROL_ERROR)

    def test_frames_larger_than_agreed(self):
        peer = self.peer()
        peer.request(1, POST, last=False)
        peer.send(frame(DATA, END_STREAM, 1, b"x" * 16385))
        self.assertEqual(peer.wait_goaway(), 6)


if __name__ == "__main__":
    unittest.main()
