"""TLS with real clients and servers (openssl, Python's ssl): who is let in, with what, and what is counted."""
import base64
import socket
import ssl
import unittest

from certs import *
from mesh import *

INSPECTOR = {"name": "tls", "typed_config": {"@type": TYPES + ".filters.listener.tls_inspector.v3.TlsInspector"}}
SPIFFE = "URI:spiffe://cluster.local/ns/shop/sa/"


def downstream(*certificates, validation=None, params=None, alpn=None, **more):
    common = {"tls_certificates": list(certificates)}
    if validation:
        common["validation_context"] = validation
    if params:
        common["tls_params"] = params
    if alpn:
        common["alpn_protocols"] = alpn
    return {"transport_socket": {"name": "tls", "typed_config": {
        "@type": TYPES + ".transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": common, **more}}}


def upstream(validation=None, certificates=(), alpn=(), **more):
    return {"transport_socket": {"name": "tls", "typed_config": {
        "@type": TYPES + ".transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": {
            "tls_certificates": list(certificates), "alpn_protocols": list(alpn),
            **({"validation_context": validation} if validation else {})}, **more}}}


def exact(kind, name):
    return {"san_type": kind, "matcher": {"exact": name}}


def s_client(port, *args, text="", seconds=10):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *args], input=text.encode(),
                          capture_output=True, timeout=seconds)
    return (done.stdout + done.stderr).decode(errors="replace")


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ca = Authority()
        cls.addClassCleanup(cls.ca.close)
        cls.origin = Origin()
        cls.addClassCleanup(cls.origin.close)
        cls.server = cls.ca.issue("server", "DNS:a.test,DNS:*.wild.test")
        cls.client = cls.ca.issue("client", SPIFFE + "client")

    def serve(self, *listeners, clusters=None):
        proxy = Proxy(list(listeners), clusters or [cluster("up", self.origin.port)])
        self.addCleanup(proxy.close)
        return proxy

    def listener(self, chain, name="in", **manager):
        return http_listener(name, "up", **chain)

    def context(self, pair=None, version=None, ciphers=None):
        context = ssl.create_default_context(cafile=self.ca.path("ca.pem"))
        context.check_hostname = False
        if pair:
            context.load_cert_chain(*pair)
        if version:
            context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers)
        return context

    def open(self, port, name="a.test", session=None, **more):
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        try:
            return self.context(**more).wrap_socket(raw, server_hostname=name, session=session)
        except BaseException:
            raw.close()
            raise

    def get(self, port, name="a.test", **more):
        """What the peer is and says to one request; an ssl.SSLError or a reset if it refuses."""
        with self.open(port, name, **more) as tls:
            tls.sendall(b"GET /x HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")
            answer = b""
            while piece := tls.recv(65536):
                answer += piece
            return {"status": int(answer.split()[1]), "version": tls.version(), "cipher": tls.cipher()[0],
                    "certificate": tls.getpeercert(), "tls": tls}

    def refused(self, port, **more):
        with self.assertRaises((ssl.SSLError, ConnectionError, IndexError)):
            self.get(port, **more)


def names_of(certificate):
    return {value for kind, value in certificate["subjectAltName"]}


class Serving(TlsTest):
    def test_each_server_name_gets_its_chain(self):
        chains = [("exact", ["a.test"]), ("wide", ["*.wild.test"]), ("other", [])]
        pairs = {name: self.ca.issue(name, "DNS:" + name) for name, _ in chains}
        listener = self.listener(downstream(certificate(pairs["exact"])))
        first = listener["filter_chains"][0]
        listener["filter_chains"] = [
            {**first, **downstream(certificate(pairs[name])), "name": name,
             "filter_chain_match": {"server_names": match} if match else {}} for name, match in chains]
        listener["listener_filters"] = [INSPECTOR]
        port = self.serve(listener).ports["in"]
        for asked, wanted in (("a.test", "exact"), ("A.TEST", "exact"), ("x.wild.test", "wide"),
                              ("x.y.wild.test", "wide"), ("wild.test", "other"), ("b.test", "other")):
            with self.subTest(asked):
                self.assertEqual(names_of(self.get(port, asked)["certificate"]), {wanted})

    def test_one_chain_has_a_certificate_for_each_name_and_each_kind_of_key(self):
        rsa = self.ca.issue("rsa", "DNS:a.test", key="rsa2048")
        ecdsa = self.ca.issue("ecdsa", "DNS:a.test,DNS:ecdsa")
        wide = self.ca.issue("wide", "DNS:*.wild.test")
        port = self.serve(self.listener(downstream(
            certificate(rsa), certificate(ecdsa), certificate(wide), require_client_certificate=True,
            validation={"trusted_ca": {"filename": self.ca.path("ca.pem")}}))).ports["in"]
        modern = dict(pair=self.client)
        self.assertIn("ecdsa", names_of(self.get(port, "a.test", **modern)["certificate"]))
        self.assertEqual(names_of(self.get(port, "x.wild.test", **modern)["certificate"]), {"*.wild.test"})
        out = s_client(port, "-servername", "a.test", "-tls1_2", "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256", "-cert",
                       self.client[0], "-key", self.client[1])
        self.assertIn("CN = rsa", out)
        # Whichever certificate was chosen, the client's own is asked for and checked.
        for name in ("a.test", "x.wild.test"):
            self.refused(port, name=name)
            stranger = self_signed(self.ca.dir, "stranger", SPIFFE + "client")
            self.refused(port, name=name, pair=stranger)

    def test_versions_are_those_that_are_allowed(self):
        for least, most, works in (("TLSv1_2", "TLSv1_2", {2: True, 3: False}),
                                   ("TLSv1_3", "TLSv1_3", {2: False, 3: True}),
                                   ("TLS_AUTO", "TLS_AUTO", {2: True, 3: True})):
            port = self.serve(self.listener(downstream(certificate(self.server), params={
                "tls_minimum_protocol_version": least, "tls_maximum_protocol_version": most}))).ports["in"]
            for minor, fine in works.items():
                version = {2: ssl.TLSVersion.TLSv1_2, 3: ssl.TLSVersion.TLSv1_3}[minor]
                with self.subTest(least=least, most=most, minor=minor):
                    if fine:
                        self.assertEqual(self.get(port, version=version)["version"], f"TLSv1.{minor}")
                    else:
                        self.refused(port, version=version)
            self.assertIn("alert protocol version", s_client(port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))

    def test_old_versions_are_spoken_only_where_they_are_asked_for_by_name(self):
        port = self.serve(self.listener(downstream(certificate(self.server), params={
            "tls_minimum_protocol_version": "TLSv1_1"}))).ports["in"]
        old = ("-cipher", "ALL:@SECLEVEL=0")
        self.assertIn("Protocol  : TLSv1.1", s_client(port, "-tls1_1", *old))
        self.assertIn("alert protocol version", s_client(port, "-tls1", *old))

    def test_cipher_suites_and_curves_are_those_that_are_allowed(self):
        port = self.serve(self.listener(downstream(certificate(self.server), params={
            "cipher_suites": ["ECDHE-ECDSA-AES256-GCM-SHA384"], "ecdh_curves": ["P-256"]}))).ports["in"]
        old = ssl.TLSVersion.TLSv1_2
        self.assertEqual(self.get(port, version=old)["cipher"], "ECDHE-ECDSA-AES256-GCM-SHA384")
        self.refused(port, version=old, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
        self.assertIn("prime256v1", s_client(port, "-groups", "P-256"))
        self.assertIn("handshake failure", s_client(port, "-groups", "P-384"))

    def test_every_kind_of_key_is_served_and_weak_ones_are_refused(self):
        for key in ("rsa2048", "rsa4096", "p256", "p384", "ed25519"):
            with self.subTest(key):
                pair = self.ca.issue("key-" + key, "DNS:a.test", key=key)
                proxy = self.serve(self.listener(downstream(certificate(pair))))
                self.assertEqual(self.get(proxy.ports["in"])["status"], 200)
                proxy.close()
        for key, why in (("rsa1024", "RSA below 2048"), ("k1", "UNKNOWN_GROUP")):
            with self.subTest(key), self.assertRaisesRegex(AssertionError, why):
                pair = self.ca.issue("key-" + key, "DNS:a.test", key=key)
                self.serve(self.listener(downstream(certificate(pair))))

    def test_an_encrypted_key_opens_with_its_password(self):
        self.ca.run("ec", "-aes256", "-passout", "pass:secret", "-in", self.server[1], "-out", "locked.key")
        locked = (self.server[0], self.ca.path("locked.key"))
        port = self.serve(self.listener(downstream(
            certificate(locked, password={"inline_string": "secret"})))).ports["in"]
        self.assertEqual(self.get(port)["status"], 200)
        with self.assertRaisesRegex(AssertionError, "private key"):
            self.serve(self.listener(downstream(certificate(locked, password={"inline_string": "wrong"}))))

    def test_a_key_of_another_certificate_is_refused_at_the_start(self):
        with self.assertRaisesRegex(AssertionError, "not that of the certificate"):
            self.serve(self.listener(downstream(certificate((self.server[0], self.client[1])))))

    def test_alpn_is_the_servers_choice(self):
        port = self.serve(self.listener(downstream(certificate(self.server), alpn=["h2", "http/1.1"]))).ports["in"]
        for offer, wanted in ((["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), (["spdy"], None)):
            context = self.context()
            context.set_alpn_protocols(offer)
            with socket.create_connection(("127.0.0.1", port)) as raw, context.wrap_socket(raw) as tls:
                self.assertEqual(tls.selected_alpn_protocol(), wanted)

    def test_require_sni(self):
        port = self.serve(self.listener(downstream(certificate(self.server), require_sni=True))).ports["in"]
        self.assertEqual(self.get(port)["status"], 200)
        self.refused(port, name=None)

    def test_an_ocsp_response_is_stapled(self):
        staple = self.ca.ocsp("server")
        port = self.serve(self.listener(downstream(
            certificate(self.server, ocsp_staple={"filename": staple})))).ports["in"]
        self.assertIn("OCSP Response Status: successful", s_client(port, "-status"))

    def test_renegotiation_is_refused(self):
        proxy = self.serve(self.listener(downstream(certificate(self.server))))
        process = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{proxy.ports['in']}"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            process.stdin.write(b"R\n")
            process.stdin.flush()
            out = process.communicate(b"", timeout=10)[0].decode(errors="replace")
        finally:
            process.kill()
            process.wait()
        self.assertRegex(out, "no renegotiation|unexpected message|handshake failure")

    def test_bodies_of_many_records_arrive_whole(self):
        port = self.serve(self.listener(downstream(certificate(self.server)))).ports["in"]
        body = os.urandom(3_000_000)
        import http.client
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=self.context())
        try:
            for _ in range(3):
                connection.request("POST", "/", body)
                self.assertEqual(connection.getresponse().read(), body)
        finally:
            connection.close()

    def test_half_a_client_hello_is_waited_for_no_longer_than_allowed(self):
        proxy = self.serve(self.listener({**downstream(certificate(self.server)),
                                          "transport_socket_connect_timeout": "0.5s"}))
        port = proxy.ports["in"]
        started = time.monotonic()
        flood = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        for one in flood:
            one.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half")
        self.assertEqual(self.get(port)["status"], 200)
        for one in flood:
            one.settimeout(10)
            self.assertEqual(one.recv(100), b"")
            one.close()
        self.assertLess(time.monotonic() - started, 8)
        self.assertEqual(self.stat_of(proxy, "downstream_cx_transport_socket_connect_timeout"), 200)

    def stat_of(self, proxy, name):
        return sum(int(line.split(": ")[1]) for line in proxy.admin("/stats").splitlines()
                   if line.startswith("listener.") and line.split(": ")[0].endswith("." + name))


class Resumption(TlsTest):
    def resumed(self, port, version, second_port=None):
        """Whether a second connection goes on with the first one's session."""
        context = self.context(version=version)

        def connect(to, session):
            raw = socket.create_connection(("127.0.0.1", to), timeout=10)
            with context.wrap_socket(raw, server_hostname="a.test", session=session) as tls:
                tls.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                while tls.recv(65536):
                    pass
                return tls.session, tls.session_reused
        session, _ = connect(port, None)
        return connect(second_port or port, session)[1]

    def test_sessions_resume_unless_that_is_off(self):
        v2, v3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        for settings, wanted in (({}, {v2: True, v3: True}),
                                 ({"disable_stateless_session_resumption": True,
                                   "disable_stateful_session_resumption": True}, {v2: False, v3: False})):
            proxy = self.serve(self.listener(downstream(certificate(self.server), **settings)))
            for version, fine in wanted.items():
                with self.subTest(settings=settings, version=version):
                    self.assertEqual(self.resumed(proxy.ports["in"], version), fine)

    def test_servers_that_share_ticket_keys_resume_each_others_sessions(self):
        old, new = (base64.b64encode(os.urandom(80)).decode() for _ in range(2))

        def start(*keys):
            return self.serve(self.listener(downstream(certificate(self.server), session_ticket_keys={
                "keys": [{"inline_bytes": key} for key in keys]}))).ports["in"]
        before, rotated, other = start(old), start(new, old), start(new)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                self.assertTrue(self.resumed(before, version, rotated))
                self.assertFalse(self.resumed(before, version, other))
        with self.assertRaisesRegex(AssertionError, "79 bytes, not 80"):
            start(base64.b64encode(b"x" * 79).decode())


class ClientCertificates(TlsTest):
    def mutual(self, required=True, **validation):
        return self.serve(self.listener(downstream(
            certificate(self.server), require_client_certificate=required,
            validation={"trusted_ca": {"filename": self.ca.path("ca.pem")}, **validation})))

    stat_of = Serving.stat_of

    def test_every_wrong_certificate_is_refused_and_counted(self):
        other = Authority("other")
        self.addCleanup(other.close)
        proxy = self.mutual(match_typed_subject_alt_names=[exact("URI", "spiffe://cluster.local/ns/shop/sa/client")])
        port = proxy.ports["in"]
        self.assertEqual(self.get(port, pair=self.client)["status"], 200)
        wrong = [
            ("none", None, "ssl.fail_verify_no_cert"),
            ("expired", self.ca.issue("expired", SPIFFE + "client", days=("20200101000000Z", "20200102000000Z")),
             "ssl.fail_verify_error"),
            ("not yet valid", self.ca.issue("early", SPIFFE + "client", days=("20390101000000Z", "20400101000000Z")),
             "ssl.fail_verify_error"),
            ("wrong CA", other.issue("client", SPIFFE + "client"), "ssl.fail_verify_error"),
            ("self-signed", self_signed(self.ca.dir, "self", SPIFFE + "client"), "ssl.fail_verify_error"),
            ("wrong use", self.ca.issue("use", SPIFFE + "client", use="extendedKeyUsage=serverAuth"),
             "ssl.fail_verify_error"),
            ("no name", self.ca.issue("nameless"), "ssl.fail_verify_san"),
            ("wrong name", self.ca.issue("wrong", SPIFFE + "other"), "ssl.fail_verify_san"),
            ("name of another kind", self.ca.issue("kind", "DNS:spiffe"), "ssl.fail_verify_san"),
        ]
        for what, pair, counter in wrong:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with self.subTest(what, version=version):
                    before = self.stat_of(proxy, counter)
                    self.refused(port, pair=pair, version=version)
                    # With TLS 1.3 the client may hear of it before it is counted.
                    wait_for(lambda: self.stat_of(proxy, counter) == before + 1)
        self.assertEqual(self.stat_of(proxy, "ssl.handshake"), 1)
        self.assertEqual(self.stat_of(proxy, "ssl.connection_error"), 0)
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
            raw.recv(100)
        wait_for(lambda: self.stat_of(proxy, "ssl.connection_error") == 1)

    def test_an_optional_certificate_may_be_missing_but_not_wrong(self):
        proxy = self.mutual(required=False)
        self.assertEqual(self.get(proxy.ports["in"])["status"], 200)
        self.assertEqual(self.get(proxy.ports["in"], pair=self.client)["status"], 200)
        self.refused(proxy.ports["in"], pair=self_signed(self.ca.dir, "self2", SPIFFE + "client"))
        self.assertEqual(self.stat_of(proxy, "ssl.no_certificate"), 1)

    def test_a_revoked_certificate_is_refused(self):
        ca = Authority()
        self.addCleanup(ca.close)
        good, bad = ca.issue("good", SPIFFE + "x"), ca.issue("bad", SPIFFE + "x")
        proxy = self.serve(self.listener(downstream(
            certificate(self.server), require_client_certificate=True, validation={
                "trusted_ca": {"filename": ca.path("ca.pem")}, "crl": {"filename": ca.revoke("bad")}})))
        self.assertEqual(self.get(proxy.ports["in"], pair=good)["status"], 200)
        self.refused(proxy.ports["in"], pair=bad)
        wait_for(lambda: self.stat_of(proxy, "ssl.fail_verify_error") == 1)

    def test_a_chain_may_be_no_longer_than_max_verify_depth(self):
        middle = Authority("middle", parent=self.ca)
        self.addCleanup(middle.close)
        pair = middle.issue("deep", SPIFFE + "deep")
        self.assertEqual(self.get(self.mutual(max_verify_depth=2).ports["in"], pair=pair)["status"], 200)
        self.refused(self.mutual(max_verify_depth=1).ports["in"], pair=pair)
        self.refused(self.mutual().ports["in"], pair=middle.issue("alone", SPIFFE + "alone", chain=False))

    def test_hashes_of_certificates_and_keys(self):
        import hashlib
        with open(self.client[0]) as file:
            der = ssl.PEM_cert_to_DER_cert(file.read())
        digest = hashlib.sha256(der).hexdigest()
        key = self.ca.run("x509", "-in", self.client[0], "-noout", "-pubkey").stdout
        spki = self.ca.run("pkey", "-pubin", "-outform", "DER", input=key).stdout
        other = self.ca.issue("hashless", SPIFFE + "client")
        for pins in ({"verify_certificate_hash": [digest]},
                     {"verify_certificate_hash": [":".join(digest[i:i + 2] for i in range(0, 64, 2)).upper()]},
                     {"verify_certificate_spki": [base64.b64encode(hashlib.sha256(spki).digest()).decode()]}):
            with self.subTest(pins):
                proxy = self.mutual(**pins)
                self.assertEqual(self.get(proxy.ports["in"], pair=self.client)["status"], 200)
                self.refused(proxy.ports["in"], pair=other)
                wait_for(lambda: self.stat_of(proxy, "ssl.fail_verify_cert_hash") == 1)

    def test_expired_certificates_are_let_in_where_that_is_allowed(self):
        pair = self.ca.issue("old", SPIFFE + "old", days=("20200101000000Z", "20200102000000Z"))
        self.assertEqual(self.get(self.mutual(allow_expired_certificate=True).ports["in"], pair=pair)["status"], 200)


class Upstream(TlsTest):
    """The proxy as a client of Python's TLS server."""

    def origin_of(self, pair, alpn=(), client_ca=None, respond=None):
        """A TLS server that notes what clients ask for; one request a connection."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        context.set_alpn_protocols(list(alpn))
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        seen = []
        context.sni_callback = lambda tls, name, _: seen.append(name)
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)

        def serve():
            while True:
                try:
                    raw, _ = listening.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(raw, server_side=True) as tls:
                        tls.recv(65536)
                        (respond or self.respond)(tls)
                except OSError:
                    raw.close()
        threading.Thread(target=serve, daemon=True).start()
        return listening.getsockname()[1], seen

    @staticmethod
    def respond(tls):
        alpn = (tls.selected_alpn_protocol() or "none").encode()
        tls.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(alpn), alpn))
        tls.unwrap()

    def proxied(self, port, tls, name="up", **more):
        log = os.path.join(self.ca.dir, "log")
        proxy = self.serve(http_listener("in", name, log=log), clusters=[cluster(name, port, **tls, **more)])
        return proxy

    def trust(self, **more):
        return {"trusted_ca": {"filename": self.ca.path("ca.pem")}, **more}

    def test_the_server_name_and_the_protocols_are_those_configured(self):
        port, seen = self.origin_of(self.server, ["http/1.1"])
        proxy = self.proxied(port, upstream(self.trust(), sni="a.test", alpn=["http/1.1"]))
        self.assertEqual(request(proxy.ports["in"])[2], b"http/1.1")
        self.assertEqual(seen, ["a.test"])
        self.assertEqual(proxy.stat("cluster.up.ssl.handshake"), 1)

    def test_a_wrong_server_is_503_and_the_reason_stays_in_the_log(self):
        other = Authority("other")
        self.addCleanup(other.close)
        san = self.trust(match_typed_subject_alt_names=[exact("DNS", "a.test")])
        for what, pair, counter in (
                ("wrong name", self.ca.issue("b", "DNS:b.test"), "fail_verify_san"),
                ("expired", self.ca.issue("x", "DNS:a.test", days=("20200101000000Z", "20200102000000Z")),
                 "fail_verify_error"),
                ("wrong CA", other.issue("server", "DNS:a.test"), "fail_verify_error"),
                ("self-signed", self_signed(self.ca.dir, "own", "DNS:a.test"), "fail_verify_error"),
                ("wrong use", self.ca.issue("c", "DNS:a.test", use="extendedKeyUsage=clientAuth"),
                 "fail_verify_error")):
            with self.subTest(what):
                port, _ = self.origin_of(pair)
                proxy = self.proxied(port, upstream(san, sni="a.test"))
                status, headers, body = request(proxy.ports["in"])
                self.assertEqual(status, 503)
                for leak in (b"ertificate", b"verify", b"SAN", b"TLS", b"b.test"):
                    self.assertNotIn(leak, body)
                self.assertFalse(any("erif" in value for value in headers.values()), headers)
                self.assertGreaterEqual(proxy.stat(f"cluster.up.ssl.{counter}"), 1)
                with open(os.path.join(self.ca.dir, "log")) as file:
                    self.assertIn('"flags":"UF', file.read().splitlines()[-1].replace(" ", ""))
                proxy.close()

    def test_sni_of_the_endpoint_is_also_what_its_certificate_must_say(self):
        for name, status in (("a.test", 200), ("b.test", 503)):
            port, seen = self.origin_of(self.server)
            up = cluster("up", port, **upstream(self.trust(), auto_host_sni=True, auto_sni_san_validation=True))
            up["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = name
            proxy = self.serve(http_listener("in", "up"), clusters=[up])
            self.assertEqual(request(proxy.ports["in"])[0], status)
            self.assertEqual(seen[0], name)

    def test_auto_config_speaks_what_alpn_yields(self):
        for offered, wanted in ((["http/1.1"], b"http/1.1"), ([], b"none")):
            port, _ = self.origin_of(self.server, offered)
            proxy = self.proxied(port, upstream(self.trust()), typed_extension_protocol_options={
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": TYPES + ".upstreams.http.v3.HttpProtocolOptions", "auto_config": {}}})
            answers = []
            asking = [threading.Thread(target=lambda: answers.append(request(proxy.ports["in"])[2]))
                      for _ in range(5)]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()
            self.assertEqual(answers, [wanted] * 5)
            self.assertGreaterEqual(proxy.stat("cluster.up.upstream_cx_http1_total"), 5)
        # Two of our own proxies agree on HTTP/2.
        inner = self.serve(http_listener("in", "up", **downstream(certificate(self.server), alpn=["h2", "http/1.1"])))
        outer = self.proxied(inner.ports["in"], upstream(self.trust()), typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": TYPES + ".upstreams.http.v3.HttpProtocolOptions", "auto_config": {}}})
        for _ in range(3):
            self.assertEqual(request(outer.ports["in"], "/y")[2], b"/y")
        self.assertEqual(outer.stat("cluster.up.upstream_cx_http2_total"), 1)

    def test_auto_sni_takes_the_name_from_each_request(self):
        port, seen = self.origin_of(self.server)
        proxy = self.proxied(port, upstream(self.trust(), sni="fixed.test"), typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": TYPES + ".upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {}},
                "upstream_http_protocol_options": {"auto_sni": True, "auto_san_validation": True,
                                                   "override_auto_sni_header": "x-sni"}}})
        ask = lambda **headers: request(proxy.ports["in"], headers=headers)[0]
        self.assertEqual(ask(host="a.test:8080"), 200)
        self.assertEqual(ask(host="x.wild.test"), 200)
        self.assertEqual(ask(host="b.test"), 503)
        self.assertEqual(ask(**{"host": "b.test", "x-sni": "a.test"}), 200)
        self.assertEqual(ask(host="127.0.0.1:80"), 200)
        self.assertEqual([name for name in seen if name != "b.test"],
                         ["a.test", "x.wild.test", "a.test", "fixed.test"])
        self.assertGreaterEqual(proxy.stat("cluster.up.ssl.fail_verify_san"), 1)

    def test_a_client_certificate_is_shown(self):
        port, _ = self.origin_of(self.server, client_ca=self.ca.path("ca.pem"))
        shown = self.proxied(port, upstream(self.trust(), certificates=[certificate(self.client)]))
        self.assertEqual(request(shown.ports["in"])[0], 200)
        self.assertEqual(request(self.proxied(port, upstream(self.trust())).ports["in"])[0], 503)

    def test_a_body_that_ends_with_the_connection_is_whole_only_after_close_notify(self):
        def head(tls):
            tls.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\npart")

        def proper(tls):
            head(tls)
            tls.unwrap()

        def cut(tls):
            head(tls)
            wait_for(lambda: tls.fileno() >= 0)
            os.close(os.dup(tls.fileno()))
            socket.socket.shutdown(tls, socket.SHUT_RDWR)
        for respond, whole in ((proper, True), (cut, False)):
            with self.subTest(whole=whole):
                port, _ = self.origin_of(self.server, respond=respond)
                proxy = self.proxied(port, upstream(self.trust()))
                if whole:
                    self.assertEqual(request(proxy.ports["in"])[2], b"part")
                else:
                    with self.assertRaises((OSError, __import__("http.client").client.HTTPException)):
                        request(proxy.ports["in"])
                proxy.close()

    def test_names_without_a_trusted_ca_mean_nothing_and_are_refused(self):
        with self.assertRaisesRegex(AssertionError, "trusted_ca"):
            self.proxied(1, upstream({"match_typed_subject_alt_names": [exact("DNS", "a.test")]}))


class Rotation(TlsTest):
    def test_files_of_a_watched_folder_are_read_when_they_are_replaced(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = lambda name: os.path.join(folder.name, name)
        pairs = [self.ca.issue(f"turn-{i}", f"DNS:turn-{i}") for i in range(3)]

        def turn(pair):
            """As Kubernetes replaces a mounted secret: a new folder, and one rename of the link to it."""
            data = tempfile.mkdtemp(dir=folder.name)
            for source, name in zip(pair, ("tls.crt", "tls.key")):
                with open(source) as text, open(os.path.join(data, name), "w") as file:
                    file.write(text.read())
            os.symlink(data, path("..data_tmp"))
            os.rename(path("..data_tmp"), path("..data"))
        turn(pairs[0])
        with open(path("sds.json"), "w") as file:
            json.dump({"resources": [{
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "name": "mounted",
                "tls_certificate": {"certificate_chain": {"filename": path("..data/tls.crt")},
                                    "private_key": {"filename": path("..data/tls.key")},
                                    "watched_directory": {"path": folder.name}}}]}, file)
        proxy = self.serve(self.listener({"transport_socket": {"name": "tls", "typed_config": {
            "@type": TYPES + ".transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {
                "tls_certificate_sds_secret_configs": [{"name": "mounted", "sds_config": {
                    "path_config_source": {"path": path("sds.json")}}}]}}}}))
        def bound():
            with open(proxy.ports_path) as file:
                return json.load(file).get("in")
        port = wait_for(bound)
        kept = self.open(port)
        self.addCleanup(kept.close)
        for i, pair in enumerate(pairs):
            if i > 0:
                turn(pair)
            wait_for(lambda: names_of(self.get(port)["certificate"]) == {f"turn-{i}"})
        # A bad pair leaves the good one in force.
        turn((pairs[0][0], pairs[1][1]))
        kept.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        self.assertIn(b"200", kept.recv(65536))
        self.assertEqual(names_of(self.get(port)["certificate"]), {"turn-2"})


if __name__ == "__main__":
    unittest.main()
