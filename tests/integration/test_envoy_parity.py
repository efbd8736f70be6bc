"""The same bootstrap gives the same answers from a real Envoy and from pinnace-proxy."""
import unittest

from parity import *

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


class Parity(unittest.TestCase):
    def test_answers_are_the_same(self):
        origin = Origin()
        self.addCleanup(origin.close)
        listener, port = fixed(http_listener("in", "up"))
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        manager["route_config"]["virtual_hosts"][0]["routes"] = ROUTES
        manager["route_config"]["validate_clusters"] = False
        bootstrap = {"static_resources": {"listeners": [listener], "clusters": [
            cluster("up", origin.port), cluster("dead", free_port()),
            {"name": "empty", "type": "STATIC", "load_assignment": {"cluster_name": "empty"}}]}}
        run = lambda log: [(*one, *ask(port, *one, b"body" if one[0] == "POST" else None)) for one in REQUESTS]
        for mine, other in zip(ours(bootstrap, [port], run), theirs(bootstrap, [port], run)):
            with self.subTest(mine[:3]):
                self.assertEqual(mine, other)


if __name__ == "__main__":
    skip_without_envoy()
    unittest.main()
