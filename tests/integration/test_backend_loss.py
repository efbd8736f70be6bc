"""A backend is killed under load: failures stay within what retries and circuit breaker promise."""
import collections
import subprocess
import sys
import threading
import unittest

from mesh import *

BACKEND = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
THREADS = 8


class BackendLoss(unittest.TestCase):
    def backend(self):
        process = subprocess.Popen([sys.executable, "-c", BACKEND], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        return process, int(process.stdout.readline())

    def lose_one(self, retry, **limits):
        """Answers before and after one of two backends dies under load, and the proxy."""
        (doomed, first), (_, second) = self.backend(), self.backend()
        up = cluster("up", first, **limits)
        up["load_assignment"]["endpoints"][0]["lb_endpoints"].append(
            {"endpoint": {"address": address("127.0.0.1", second)}})
        proxy = Proxy([http_listener("in", "up", route={"retry_policy": retry} if retry else None)], [up], 2)
        self.addCleanup(proxy.close)
        stop, answers = threading.Event(), []

        def load():
            while not stop.is_set() and len(answers) < 20000:
                answers.append(request(proxy.ports["in"])[::2])

        threads = [threading.Thread(target=load) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: len(answers) > 200, 30)
            doomed.kill()
            doomed.wait()
            killed_at = len(answers)
            wait_for(lambda: len(answers) > killed_at + 400, 30)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        return collections.Counter(status for status, _ in answers), [b for s, b in answers if s != 200], proxy

    def test_with_retries_no_request_fails(self):
        # As many retries at once as there are clients; the default is 3.
        statuses, _, proxy = self.lose_one({"retry_on": "connect-failure,reset", "num_retries": 2},
                                           circuit_breakers={"thresholds": [{"max_retries": THREADS}]})
        self.assertEqual(set(statuses), {200}, statuses)
        self.assertGreater(proxy.stat("cluster.up.upstream_rq_retry"), 0)
        self.assertEqual(proxy.stat("cluster.up.upstream_rq_retry_limit_exceeded"), 0)

    def test_a_retry_budget_of_one_fails_no_more_than_it_counts(self):
        statuses, _, proxy = self.lose_one(
            {"retry_on": "connect-failure,reset", "num_retries": 2},
            circuit_breakers={"thresholds": [{"max_retries": 1}]})
        self.assertLessEqual(statuses[503], proxy.stat("cluster.up.upstream_rq_retry_overflow"), statuses)
        self.assertLessEqual(set(statuses), {200, 503})
        self.assertGreater(proxy.stat("cluster.up.upstream_rq_retry"), 0)

    def test_without_retries_ejection_bounds_the_failures(self):
        statuses, bodies, proxy = self.lose_one(
            None, outlier_detection={"consecutive_5xx": 3, "base_ejection_time": "60s", "max_ejection_percent": 50})
        # Each worker ejects for itself after three in a row; those under way at that moment may fail too.
        self.assertGreater(statuses[503], 0, "the kill was not felt")
        self.assertLessEqual(statuses[503], 2 * (3 + THREADS), statuses)
        self.assertLessEqual(set(statuses), {200, 503})
        for body in bodies:
            self.assertIn(b"upstream connect error or disconnect/reset before headers", body)


if __name__ == "__main__":
    unittest.main()
