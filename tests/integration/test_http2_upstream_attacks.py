"""What a broken or hostile HTTP/2 upstream says reaches no client, ends in an error that tells of it, and costs little."""
import unittest

from mesh import *
from h2raw import *
from test_http2_connections import Upstream, answer, answer_all

OK = [(":status", "200")]
RSS_GROWTH_MAX_KB = float("inf") if SANITIZED else 16 * 1024


def head(fields, last=False, stream=1):
    return frame(HEADERS, END_HEADERS | (END_STREAM if last else 0), stream, block(fields))


# What goes out in answer to the first request, on the first connection.
BROKEN_ANSWERS = {
    "no status": head([("x", "y")], True),
    "no number": head([(":status", "abc")], True),
    "a status out of range": head([(":status", "099")], True),
    "two statuses": head(OK + OK, True),
    "a request's field": head(OK + [(":path", "/")], True),
    "an upper-case name": head(OK + [("X-Evil", "y")], True),
    "a line end in a value": head(OK + [("x", "a\r\nevil: b")], True),
    "a connection field": head(OK + [("connection", "close")], True),
    "a coding": head(OK + [("transfer-encoding", "chunked")], True),
    "switching protocols": head([(":status", "101")], False),
    "a 1xx that ends": head([(":status", "103")], True),
    "two lengths": head(OK + [("content-length", "1"), ("content-length", "2")]),
    "no length": head(OK + [("content-length", "x")]),
    "data first": frame(DATA, END_STREAM, 1, b"evil"),
    "a push": frame(5, END_HEADERS, 1, b"\0\0\0\2" + block(GET)),
    "an unknown index": frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\x80\x01"),
    "a stream that nobody opened": head(OK, True, 9),
    "a large frame": frame(DATA, 0, 1, b"x" * 20000),
    "too large a head": b"".join(
        frame(HEADERS if i == 0 else CONTINUATION, END_HEADERS if i == 5 else 0, 1,
              (block(OK) if i == 0 else b"") + block([("x", "v" * 15000)])) for i in range(6)),
    "early answers without end": head([(":status", "103")]) * 1000,
}
FLOODS = {
    "settings": ("inbound_control_frames_flood", frame(SETTINGS) * 2000),
    "pings": ("inbound_control_frames_flood", frame(PING, 0, 0, b"12345678") * 2000),
    "empty data": ("inbound_empty_frames_flood", head(OK) + frame(DATA, 0, 1) * 10),
    "window updates": ("inbound_window_update_frames_flood", frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 100),
    "continuations": ("continuation_flood", frame(HEADERS, END_STREAM, 1, block(OK)) + frame(
        CONTINUATION, 0, 1, block([("x", "y")])) * 20),
}


class UpstreamAttacks(unittest.TestCase):
    def start(self, answer_bytes):
        def serve(peer, number):
            if number > 1:
                return answer_all(peer, number)
            peer.wait(lambda: peer.heads)
            peer.send(answer_bytes)
            while not peer.closed:
                peer.pump(0.05)

        upstream = Upstream(serve)
        self.addCleanup(upstream.close)
        proxy = Proxy([http_listener("in", "up")], [cluster("up", upstream.port, **http2())])
        self.addCleanup(proxy.close)
        peer = Peer(proxy.ports["in"])
        self.addCleanup(peer.close)
        return proxy, peer

    def goes_on(self, proxy, peer):
        """The client's connection is as good as before."""
        for _ in range(2):
            stream = 3 + 2 * len(peer.heads)
            peer.request(stream)
            peer.wait(lambda: stream in peer.ended or stream in peer.resets)
            if stream in peer.ended and peer.status(stream) == "200":
                return
        self.fail(f"{peer.heads} {peer.resets}")

    def test_broken_answers(self):
        for name, sent in BROKEN_ANSWERS.items():
            with self.subTest(name):
                proxy, peer = self.start(sent)
                peer.request(1)
                peer.wait(lambda: 1 in peer.ended or 1 in peer.resets)
                if 1 in peer.ended:
                    self.assertIn(dict(peer.heads[1][-1])[":status"], ("502", "503"))
                self.assertNotIn("evil", str(peer.heads) + str(peer.bodies))
                self.assertEqual(peer.goaways, [])
                peer.send(frame(PING, 0, 0, b"12345678"))
                self.assertIsNone(proxy.process.poll())

    def test_data_that_breaks_its_length(self):
        for length, data in ((3, b"abcd"), (5, b"abcd")):
            with self.subTest(length):
                proxy, peer = self.start(head(OK + [("content-length", str(length))]) + frame(DATA, END_STREAM, 1, data))
                peer.request(1)
                peer.wait(lambda: 1 in peer.resets)
                self.assertNotIn(1, peer.ended)

    def test_floods_end_the_upstream_connection_alone(self):
        for name, (counter, sent) in FLOODS.items():
            with self.subTest(name):
                proxy, peer = self.start(sent)
                before = self.rss_kb(proxy)
                peer.request(1)
                peer.wait(lambda: 1 in peer.ended or 1 in peer.resets)
                wait_for(lambda: proxy.stat("cluster.up.http2." + counter) == 1)
                self.goes_on(proxy, peer)
                self.assertLess(self.rss_kb(proxy) - before, RSS_GROWTH_MAX_KB)

    def test_more_data_than_the_window_takes(self):
        pieces = head(OK) + frame(DATA, 0, 1, b"x" * 16384) * 2000  # 32 MiB, and the client takes none of it.
        proxy, peer = self.start(pieces)
        before = self.rss_kb(proxy)
        peer.sock.settimeout(10)
        peer.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))
        peer.request(1)
        peer.wait(lambda: 1 in peer.resets)
        self.assertLess(self.rss_kb(proxy) - before, RSS_GROWTH_MAX_KB)

    @staticmethod
    def rss_kb(proxy):
        with open(f"/proc/{proxy.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


if __name__ == "__main__":
    unittest.main()
