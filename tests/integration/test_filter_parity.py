"""HTTP filters: Envoy and pinnace-proxy give the same answers, flags and details on one bootstrap."""
import unittest

from parity import *

FAULT = "fault", "HTTPFault"
ALL = {"numerator": 100}


def per_route(name, message, config):
    return {"typed_per_filter_config": {name: {"@type": f"{TYPES}.filters.http.{name}.v3.{message}", **config}}}


def up(path, **more):
    return {"match": {"prefix": path}, "route": {"cluster": "up"}, **more}


def set_header(name, value, **more):
    return {"append": {"header": {"key": name, "value": value}, **more}}


# name -> (filters, routes, requests: (method, path, headers[, body]))
CASES = {
    "fault": (
        [http_filter("fault", {"abort": {"http_status": 503, "percentage": ALL},
                               "headers": [{"name": "x-break", "string_match": {"exact": "1"}}]}, "HTTPFault")],
        [up("/teapot", **per_route("fault", "HTTPFault", {"abort": {"http_status": 418, "percentage": ALL}})),
         up("/grpc", **per_route("fault", "HTTPFault", {"abort": {"grpc_status": 5, "percentage": ALL}})),
         up("/late", **per_route("fault", "HTTPFault", {"delay": {"fixed_delay": "0.05s", "percentage": ALL}})),
         up("/chosen", **per_route("fault", "HTTPFault", {"abort": {"header_abort": {}, "percentage": ALL}})),
         up("/none", **per_route("fault", "HTTPFault", {"abort": {"http_status": 500, "percentage": {}}})),
         up("/")],
        [("GET", "/", {}), ("GET", "/", {"x-break": "1"}), ("POST", "/", {"x-break": "1"}, b"abc"),
         ("GET", "/teapot", {}), ("HEAD", "/teapot", {}), ("GET", "/grpc", {"content-type": "application/grpc"}),
         ("GET", "/teapot", {"content-type": "application/grpc"}), ("GET", "/late", {}), ("GET", "/chosen", {}),
         ("GET", "/chosen", {"x-envoy-fault-abort-request": "429"}), ("GET", "/none", {}),
         ("GET", "/chosen", {"x-envoy-fault-abort-request": "429", "x-envoy-fault-abort-request-percentage": "0"})]),
    "header_mutation": (
        [http_filter("header_mutation", {"mutations": {
            "request_mutations": [set_header("x-a", "1"), {"remove": "x-drop"}],
            "response_mutations": [set_header("x-b", "own"), {"remove": "x-seen-id"}]}})],
        [up("/route", **per_route("header_mutation", "HeaderMutationPerRoute", {"mutations": {
            "response_mutations": [set_header("x-b", "route", append_action="OVERWRITE_IF_EXISTS_OR_ADD")]}})),
         {"match": {"prefix": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "d"}}},
         up("/")],
        [("GET", "/", {"x-drop": "1"}), ("GET", "/route", {}), ("GET", "/direct", {}), ("GET", "/route?a", {"x-a": "0"})]),
    "disabled": (
        [http_filter("fault", {"abort": {"http_status": 500, "percentage": ALL}}, "HTTPFault", disabled=True),
         http_filter("header_mutation", {"mutations": {"response_mutations": [set_header("x-b", "1")]}})],
        [up("/on", **per_route("fault", "HTTPFault", {"abort": {"http_status": 501, "percentage": ALL}})),
         up("/off", typed_per_filter_config={"header_mutation": {
             "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}}),
         up("/")],
        [("GET", "/", {}), ("GET", "/on", {}), ("GET", "/off", {})]),
    "no_route": ([http_filter("fault", {"abort": {"http_status": 500, "percentage": ALL}}, "HTTPFault")],
                 [up("/there")], [("GET", "/nowhere", {})]),
}


class FilterParity(unittest.TestCase):
    maxDiff = None

    def test_answers_flags_and_details_are_the_same(self):
        origin = Origin()
        self.addCleanup(origin.close)
        listeners, ports = [], {}
        for name, (filters, routes, _) in CASES.items():
            listener, ports[name] = fixed(http_listener(name, "up", filters=filters, routes=routes, log="/LOG." + name))
            listeners.append(listener)
        bootstrap = {"static_resources": {"listeners": listeners, "clusters": [cluster("up", origin.port)]}}

        def run(log):
            return {name: (asked := [ask(ports[name], *one) for one in requests],
                           lines_of(f"{log}.{name}", len(asked)))
                    for name, (_, _, requests) in CASES.items()}

        mine, other = ours(bootstrap, ports.values(), run), theirs(bootstrap, ports.values(), run)
        for name, (_, _, requests) in CASES.items():
            for i, asked in enumerate(requests):
                with self.subTest(name, request=asked):
                    self.assertEqual(mine[name][0][i], other[name][0][i])
                    self.assertEqual(mine[name][1][i], other[name][1][i])


if __name__ == "__main__":
    skip_without_envoy()
    unittest.main()
