"""h2spec, strict cases included, passes through the proxy on plain and TLS listeners."""
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

from mesh import *

H2SPEC = os.path.join(GO_TOOLS, "h2spec")


class H2spec(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certs = tempfile.TemporaryDirectory()
        make_certs(cls.certs.name, ["web"])
        secure = tls("Downstream", cls.certs.name, "web")
        common = secure["transport_socket"]["typed_config"]["common_tls_context"]
        common["alpn_protocols"] = ["h2", "http/1.1"]
        del common["validation_context"]
        cls.origin = Origin()
        known = http_listener("known", "up")
        known["filter_chains"][0]["filters"][0]["typed_config"]["codec_type"] = "HTTP2"
        cls.proxy = Proxy([http_listener("plain", "up"), known, http_listener("secure", "up", **secure)],
                          [cluster("up", cls.origin.port)])

    @classmethod
    def tearDownClass(cls):
        cls.proxy.close()
        cls.origin.close()
        cls.certs.cleanup()

    def run_on(self, listener, *args):
        report = os.path.join(self.certs.name, listener + ".xml")
        done = subprocess.run([H2SPEC, "--strict", "-P", "/a-body-long-enough", "-p", str(self.proxy.ports[listener]), "-j", report, *args],
                              capture_output=True, text=True, timeout=200)
        cases = list(xml.etree.ElementTree.parse(report).getroot().iter("testcase"))
        failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        self.assertEqual(failed, [], done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(len([case for case in cases if case.find("skipped") is None]), 146)

    def test_prior_knowledge_where_any_protocol_may_come(self):
        self.run_on("plain")

    def test_prior_knowledge_where_only_http2_may_come(self):
        self.run_on("known")

    def test_tls_with_alpn(self):
        self.run_on("secure", "-t", "-k")


if __name__ == "__main__":
    needs("h2spec")
    unittest.main()
