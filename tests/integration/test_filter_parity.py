"""HTTP filters: Envoy and pinnace-proxy give the same answers, flags and details on one bootstrap."""
import json
import os
import tempfile
import time
import unittest

from jwts import Key, b64, jwks
from parity import *

FAULT = "fault", "HTTPFault"
ALL = {"numerator": 100}


def per_route(name, message, config):
    return {"typed_per_filter_config": {name: {"@type": f"{TYPES}.filters.http.{name}.v3.{message}", **config}}}


def up(path, **more):
    return {"match": {"prefix": path}, "route": {"cluster": "up"}, **more}


def set_header(name, value, **more):
    return {"append": {"header": {"key": name, "value": value}, **more}}


def rule(permission, principal=None, **more):
    return {"permissions": [permission], "principals": [principal or {"any": True}], **more}


def rbac(action, policies):
    return http_filter("rbac", {"rules": {"action": action, "policies": policies}}, "RBAC")


def field(name, **match):
    return {"header": {"name": name, **match}}


# Every arrangement of a field that stands once, twice, or with both values in one.
TWICE = [("GET", "/", [("x", value) for value in values]) for values in ([], ["a"], ["b"], ["a", "b"], ["b", "a"], ["a,b"])]
POLICIES = {
    "read a": rule({"and_rules": {"rules": [field(":method", string_match={"exact": "GET"}),
                                            {"url_path": {"path": {"prefix": "/a"}}}]}}),
    "admin": rule({"any": True}, {"header": {"name": "x-role", "string_match": {"exact": "admin"}}}),
    "local": rule({"url_path": {"path": {"exact": "/local"}}}, {"direct_remote_ip": {
        "address_prefix": "127.0.0.0", "prefix_len": 8}}),
    "forwarded": rule({"url_path": {"path": {"exact": "/xff"}}}, {"remote_ip": {
        "address_prefix": "10.1.0.0", "prefix_len": 16}}),
    "not": rule({"not_rule": {"url_path": {"path": {"safe_regex": {"regex": "/.*"}}}}}),
    "port": rule({"and_rules": {"rules": [{"destination_port_range": {"start": 1, "end": 65536}}, {
        "url_path": {"path": {"exact": "/port"}}}]}}),
}
CORS = {"cors": {"@type": TYPES + ".filters.http.cors.v3.CorsPolicy",
                 "allow_origin_string_match": [{"exact": "http://good"}, {"suffix": ".good.com"}],
                 "allow_methods": "GET,POST", "allow_headers": "x-a", "expose_headers": "x-b", "max_age": "60",
                 "allow_credentials": True}}
PREFLIGHT = {"access-control-request-method": "POST"}

def bucket(tokens):
    return {"max_tokens": tokens, "tokens_per_fill": 1, "fill_interval": "3600s"}


def limit(tokens, **more):
    return http_filter("local_ratelimit", {
        "stat_prefix": "limit", "token_bucket": bucket(tokens), "filter_enabled": {"default_value": ALL},
        "filter_enforced": {"default_value": ALL}, **more}, "LocalRateLimit")


KEYS = tempfile.TemporaryDirectory()
RSA, EC, OTHER = Key(KEYS.name, "r1"), Key(KEYS.name, "e1", "EC"), Key(KEYS.name, "r1-other")
NOW = int(time.time())


def bearer(token):
    return {"authorization": "Bearer " + token}


def provider(issuer, **more):
    return {"issuer": issuer, "local_jwks": {"inline_string": jwks(RSA, EC)}, **more}


def jwt(providers, requires, **more):
    return http_filter("jwt_authn", {"providers": providers, "rules": [
        {"match": {"prefix": "/open"}}, {"match": {"prefix": "/"}, "requires": requires}], **more}, "JwtAuthentication")


def tokens():
    """Requests with tokens good and bad, of the issuers "me" and "you"."""
    good = {"iss": "me", "sub": "anne", "aud": ["shop"], "exp": NOW + 3600, "n": 7, "org": {"id": "o1"}, "list": ["a"],
            "yes": True}
    whole = RSA.token(good)
    head, payload, signature = whole.split(".")
    forged = OTHER.token(good, kid="r1")
    return [("GET", "/open", {}), ("GET", "/open", bearer(whole)), ("GET", "/", {}), ("GET", "/", {"authorization": "Basic x"}),
            *[("GET", "/a?b", bearer(token)) for token in (
                whole, EC.token(good), RSA.token(good, "PS256"), RSA.token(good, "RS512"), forged,
                RSA.token({**good, "iss": "you"}), RSA.token({**good, "iss": "they"}), RSA.token({**good, "aud": "bank"}),
                RSA.token({**good, "aud": []}), RSA.token({**good, "exp": NOW - 3600}), RSA.token({**good, "exp": NOW - 5}),
                RSA.token({**good, "nbf": NOW + 3600}), RSA.token({**good, "nbf": NOW + 30}), RSA.token(good, kid="none"),
                "", "a", "a.b", "a.b.c", f"{head}.{payload}.", f"{head}.{payload}.{signature[:-4]}",
                b64(b'{"alg":"none"}') + "." + payload + ".", b64(b'{"alg":"HS256","kid":"r1"}') + "." + payload + ".AAAA",
                b64(b"[]") + "." + payload + ".AAAA", head + "." + b64(b"x") + ".AAAA")],
            ("GET", "/?access_token=" + whole, {}), ("GET", "/?access_token=" + forged, {}),
            ("OPTIONS", "/", {"origin": "http://a", "access-control-request-method": "GET"}),
            ("GET", "/", {**bearer(whole), "x-sub": "forged", "x-payload": "forged"})]


JWT_BOTH = [{"provider_name": "p"}, {"provider_name": "q"}]

def split(path, *hashes):
    """A fifth of the users to "up2", by these hashes."""
    return {"match": {"prefix": path}, "route": {"hash_policy": hashes, "weighted_clusters": {
        "use_hash_policy": True, "clusters": [
            {"name": name, "weight": weight, "response_headers_to_add": [{"header": {"key": "x-cluster", "value": name}}]}
            for name, weight in (("up2", 20), ("up", 80))]}}}


def golden(policy):
    """The filters that the control plane translates a policy to, without the router."""
    found = []

    def search(value):
        if isinstance(value, dict):
            if "http_filters" in value:
                found.append(value["http_filters"][:-1])
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                search(inner)

    with open(os.path.join(os.environ["PINNACE_SOURCE"], "tests/golden", policy, "out.json")) as file:
        search(json.load(file))
    return max(found, key=len)


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
    "rbac_allow": (
        [rbac("ALLOW", POLICIES)], [up("/free", **per_route("rbac", "RBACPerRoute", {})),
                                    up("/shut", **per_route("rbac", "RBACPerRoute", {"rbac": {
                                        "rules": {"action": "ALLOW", "policies": {}}}})), up("/")],
        [("GET", "/a", {}), ("POST", "/a", {}, b"x"), ("GET", "/a?b=/c", {}), ("GET", "/b", {}),
         ("GET", "/b", {"x-role": "admin"}), ("GET", "/b", {"x-role": "Admin"}), ("GET", "/local", {}),
         ("GET", "/local?x", {}), ("GET", "/xff", {}), ("GET", "/xff", {"x-forwarded-for": "10.1.2.3"}),
         ("GET", "/xff", {"x-forwarded-for": "10.1.2.3, 9.9.9.9"}), ("GET", "/xff", {"x-forwarded-for": "9.9.9.9,10.1.2.3"}),
         ("GET", "/xff", [("x-forwarded-for", "9.9.9.9"), ("x-forwarded-for", "10.1.0.1")]),
         ("GET", "/free", {}), ("GET", "/shut", {}), ("GET", "/port", {}),
         ("POST", "/b", {"content-type": "application/grpc"}, b"")]),
    "rbac_deny": (
        [rbac("DENY", {"no entry": POLICIES["admin"], "a": POLICIES["read a"]})], None,
        [("GET", "/b", {}), ("GET", "/b", {"x-role": "admin"}), ("GET", "/a", {}), ("GET", "/a", {"x-role": "admin"})]),
    "rbac_log": ([rbac("LOG", {"all": rule({"any": True})})], None, [("GET", "/", {})]),
    **{f"rbac_{action}_{name}".lower(): ([rbac(action, {"p": rule(field("x", **match))})], None, TWICE)
       for action in ("ALLOW", "DENY") for name, match in {
           "exact": {"string_match": {"exact": "a"}}, "joined": {"string_match": {"exact": "a,b"}},
           "inverted": {"string_match": {"exact": "a"}, "invert_match": True},
           "present": {"present_match": True}, "absent": {"present_match": False},
           "absent_inverted": {"present_match": True, "invert_match": True},
           "empty": {"string_match": {"exact": ""}, "treat_missing_header_as_empty": True}}.items()},
    "buffer": (
        [http_filter("buffer", {"max_request_bytes": 100})],
        [up("/more", **per_route("buffer", "BufferPerRoute", {"buffer": {"max_request_bytes": 1000}})),
         up("/off", **per_route("buffer", "BufferPerRoute", {"disabled": True})), up("/")],
        [("GET", "/", {}), ("POST", "/", {}, b"x" * 100), ("POST", "/", {}, b"x" * 101), ("POST", "/more", {}, b"x" * 101),
         ("POST", "/off", {}, b"x" * 5000), ("POST", "/", {"transfer-encoding": "chunked"}, [b"abc", b"def"]),
         ("POST", "/", {"transfer-encoding": "chunked"}, [b"x" * 90, b"x" * 11])]),
    "cors": (
        [http_filter("cors")],
        [up("/open", typed_per_filter_config=CORS),
         up("/strict", typed_per_filter_config={"cors": {**CORS["cors"], "forward_not_matching_preflights": False}}), up("/")],
        [(method, path, {**headers, **({"origin": origin} if origin else {})}) for method, headers in (
            ("GET", {}), ("OPTIONS", {}), ("OPTIONS", PREFLIGHT)) for path in ("/open", "/strict", "/")
         for origin in (None, "http://good", "http://a.good.com", "http://bad")]),
    "csrf": (
        [http_filter("csrf", {"filter_enabled": {"default_value": ALL}, "additional_origins": [{"exact": "friend"}]},
                     "CsrfPolicy")], None,
        [(method, "/", {"host": "me:80", **headers}, b"") for method in ("GET", "POST", "PATCH", "DELETE") for headers in (
            {}, {"origin": "http://me:80"}, {"origin": "https://me"}, {"origin": "http://friend"}, {"origin": "null"},
            {"referer": "http://me:80/x"}, {"referer": "http://you/me:80"}, {"origin": "me:80"}, {"origin": "http://"})]),
    "local_ratelimit": (
        [limit(3, enable_x_ratelimit_headers="DRAFT_VERSION_03",
               response_headers_to_add=[{"header": {"key": "x-local", "value": "1"}}])],
        [up("/off", **per_route("local_ratelimit", "LocalRateLimit", {
            "stat_prefix": "off", "token_bucket": bucket(1)})),
         up("/shadow", **per_route("local_ratelimit", "LocalRateLimit", {
             **limit(1)["typed_config"], "filter_enforced": {"default_value": {}}})),
         up("/other", **per_route("local_ratelimit", "LocalRateLimit", {
             **limit(1)["typed_config"], "status": {"code": 503}, "rate_limited_as_resource_exhausted": True})),
         up("/")],
        [("GET", path, {}) for path in ("/", "/", "/", "/", "/", "/off", "/off", "/shadow", "/shadow", "/other", "/other")] +
        [("POST", "/other", {"content-type": "application/grpc"}, b"")]),
    "local_ratelimit_descriptors": (
        [limit(100, descriptors=[{"entries": [{"key": "user", "value": "anne"}], "token_bucket": bucket(2)},
                                 {"entries": [{"key": "user", "value": "bert"}, {"key": "op", "value": "w"}],
                                  "token_bucket": bucket(1)}],
               enable_x_ratelimit_headers="DRAFT_VERSION_03")],
        [{"match": {"prefix": "/"}, "route": {"cluster": "up", "rate_limits": [
            {"actions": [{"request_headers": {"header_name": "x-user", "descriptor_key": "user"}}]},
            {"actions": [{"request_headers": {"header_name": "x-user", "descriptor_key": "user"}},
                         {"header_value_match": {"descriptor_key": "op", "descriptor_value": "w", "headers": [
                             {"name": ":method", "string_match": {"exact": "POST"}}]}}]}]}}],
        [(method, "/", {"x-user": user} if user else {}) for user in (None, "anne", "bert", "carl")
         for method in ("POST", "POST", "GET", "GET")]),
    "jwt": ([jwt({"p": provider("me")}, {"provider_name": "p"})], None, tokens()),
    "jwt_audience": ([jwt({"p": provider("me", audiences=["shop", "other"])}, {"provider_name": "p"})], None, tokens()),
    "jwt_any": ([jwt({"p": provider("me"), "q": provider("you")}, {"requires_any": {"requirements": JWT_BOTH}})], None, tokens()),
    "jwt_all": ([jwt({"p": provider("me"), "q": provider("you", from_params=["t"])},
                     {"requires_all": {"requirements": JWT_BOTH}})], None,
                [*tokens(), ("GET", "/?t=" + RSA.token({"iss": "you"}), bearer(RSA.token({"iss": "me"})))]),
    "jwt_missing": ([jwt({"p": provider("me"), "q": provider("you")}, {"allow_missing": {}})], None, tokens()),
    "jwt_failed": ([jwt({"p": provider("me")}, {"allow_missing_or_failed": {}})], None, tokens()),
    "jwt_any_missing": ([jwt({"p": provider("me")}, {"requires_any": {"requirements": [
        {"provider_name": "p"}, {"allow_missing": {}}]}}, bypass_cors_preflight=True)], None, tokens()),
    "jwt_strip": ([jwt({"p": provider("me")}, {"provider_name": "p"}, strip_failure_response=True)], None, tokens()),
    "jwt_routes": ([jwt({"p": provider("me")}, {"provider_name": "p"}, requirement_map={
        "none": {}, "missing": {"allow_missing": {}}})],
        [up("/off", **per_route("jwt_authn", "PerRouteConfig", {"disabled": True})),
         up("/free", **per_route("jwt_authn", "PerRouteConfig", {"requirement_name": "missing"})),
         up("/wrong", **per_route("jwt_authn", "PerRouteConfig", {"requirement_name": "unknown"})), up("/")],
        [("GET", path, {}) for path in ("/off", "/free", "/")]),
    "jwt_rbac": (
        [jwt({"p": provider("me", forward=True, payload_in_metadata="jwt_payload")}, {"provider_name": "p"}),
         rbac("ALLOW", {"anne": rule({"any": True}, {"metadata": {
             "filter": "envoy.filters.http.jwt_authn", "path": [{"key": "jwt_payload"}, {"key": "sub"}],
             "value": {"string_match": {"exact": "anne"}}}})})], None,
        [("GET", "/", bearer(RSA.token({"iss": "me", "sub": name}))) for name in ("anne", "bert")]),
    # The same user falls on the same side in both proxies.
    "canary": ([], [split("/h", {"header": {"header_name": "x-user"}}),
                    split("/c", {"cookie": {"name": "user"}}), split("/q", {"query_parameter": {"name": "user"}}),
                    split("/r", {"header": {"header_name": "x-user", "regex_rewrite": {
                        "pattern": {"regex": "-.*"}, "substitution": ""}}}),
                    split("/b", {"cookie": {"name": "user"}, "terminal": True}, {"header": {"header_name": "x-user"}})],
               [("GET", path, headers) for n in range(20) for path, headers in (
                   ("/h", {"x-user": f"u{n}"}), ("/h", [("x-user", f"u{n}"), ("x-user", f"a{n}")]),
                   ("/c", {"cookie": f"a=b; user=u{n}"}), ("/c", {"cookie": f'user="u{n}"'}), (f"/q?user=u{n}", {}),
                   ("/r", {"x-user": f"u{n}-tail"}), ("/b", {"x-user": f"u{n}"}),
                   ("/b", {"x-user": f"u{n}", "cookie": f"user=c{n}"}))]),
    "policy_access": (golden("access-policy"), None, [
        ("GET", "/orders/1", {}), ("GET", "/a", {"x-debug": "1"})]),
    # Nobody serves keys here: a token cannot be verified, and is refused.
    "policy_tokens": (golden("request-authentication"), None, [
        ("GET", "/", {}), ("GET", "/", bearer(RSA.token({"iss": "https://login.example", "aud": "shop"})))]),
    "policy_rates": (golden("rate-limit-policy"), None, [("GET", "/", {})] * 3),
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
        bootstrap = {"static_resources": {"listeners": listeners, "clusters": [
            cluster("up", origin.port), cluster("up2", origin.port),
            cluster("outbound|80||login.auth.svc.cluster.local", origin.port)]}}

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
