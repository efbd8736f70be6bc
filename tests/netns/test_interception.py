"""Interception by REDIRECT rules in network namespaces, with unmodified programs on both sides."""
import os
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ["PINNACE_SOURCE"], "tools/lib"))
from netns_mesh import Mesh, Service, UID, Workload, wait_for

BIN = os.path.join(os.environ["PINNACE_BIN"], "pinnace-proxy")
SERVER_FIRST = """
import socket
server = socket.create_server(("{ip}", 9000))
while True:
    peer, _ = server.accept()
    peer.sendall(b"banner\\n")
    peer.close()
"""
READ_ALL = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10); print(s.recv(100))"


def refuse_unless_root():
    if os.geteuid() != 0 or subprocess.run(["ip", "netns", "list"], capture_output=True).returncode != 0:
        print("SKIPPED: network namespaces need root; run as root")
        sys.exit(77)


class Interception(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.web = Workload("web", "10.77.1.11", "web", [(8080, True), (8443, False), (9000, False)])
        cls.open = Workload("open", "10.77.1.12", "open", [(8080, True)], strict=False)
        cls.shell = Workload("shell", "10.77.1.10", "shell")
        cls.mesh = Mesh(BIN, [cls.web, cls.open, cls.shell], [
            Service("web", "10.96.0.10", 80, [(cls.web, 8080, 1)]),
            Service("banner", "10.96.0.11", 9000, [(cls.web, 9000, 1)], http=False),
            Service("secure", "10.96.0.12", 8443, [(cls.web, 8443, 1)], http=False)])
        cls.mesh.__enter__()
        cls.addClassCleanup(cls.mesh.__exit__)
        for workload in (cls.web, cls.open):
            cls.mesh.start(workload, "/usr/bin/python3", "-m", "http.server", "8080", "--bind", workload.ip,
                           cwd=cls.mesh.dir)
        cls.mesh.start(cls.web, "/usr/bin/python3", "-c", SERVER_FIRST.format(ip=cls.web.ip))
        cls.mesh.start(cls.web, "openssl", "s_server", "-www", "-accept", cls.web.ip + ":8443", "-cert", "web.pem",
                       "-key", "web.key", cwd=cls.mesh.dir)
        wait_for(lambda: cls.mesh.curl(cls.shell, "http://10.96.0.10/ca.pem")[1] == 200)

    def test_http_to_a_virtual_address_crosses_as_mtls(self):
        before = len(self.mesh.records(self.web))
        _, status, body = self.mesh.curl(self.shell, "http://10.96.0.10/ca.pem")
        self.assertEqual(status, 200)
        self.assertIn("BEGIN CERTIFICATE", body)
        record = wait_for(lambda: self.mesh.records(self.web)[before:])[0]
        self.assertEqual((record["direction"], record["caller"]), ("inbound", "spiffe://cluster.local/ns/shop/sa/shell"))

    def test_both_sidecars_log_the_same_request_id(self):
        self.mesh.curl(self.shell, "http://10.96.0.10/ca.pem", "-H", "x-request-id: id-of-the-test")
        for workload in (self.shell, self.web):
            wait_for(lambda: [r for r in self.mesh.records(workload) if r["id"] == "id-of-the-test"])

    def test_a_server_that_speaks_first_is_heard(self):
        # The mTLS handshake lets the sidecars know each other before the banner.
        wait_for(lambda: "banner" in self.mesh.run(self.shell.namespace, "/usr/bin/python3", "-c", READ_ALL,
                                                   "10.96.0.11", "9000").stdout)

    def test_an_applications_own_tls_passes_untouched_inside_the_meshs(self):
        before = len(self.mesh.records(self.web))
        secure = "https://10.96.0.12:8443/"
        _, status, body = wait_for(lambda: (got := self.mesh.curl(self.shell, secure, "-k"))[1] == 200 and got)
        self.assertIn("TLSv1.3", body)
        record = wait_for(lambda: self.mesh.records(self.web)[before:])[0]
        self.assertEqual((record["direction"], record["caller"], record["method"]),
                         ("inbound", "spiffe://cluster.local/ns/shop/sa/shell", None))

    def test_plaintext_is_refused_by_a_strict_workload(self):
        before = self.mesh.stat(self.web, "listener.0.0.0.0_15006.no_filter_chain_match")
        self.assertEqual(self.mesh.curl(self.shell, f"http://{self.web.ip}:8080/")[1], 0)
        self.assertEqual(self.mesh.stat(self.web, "listener.0.0.0.0_15006.no_filter_chain_match"), before + 1)

    def test_plaintext_is_served_by_a_permissive_workload(self):
        wait_for(lambda: self.mesh.curl(self.shell, f"http://{self.open.ip}:8080/")[1] == 200)
        self.assertIsNone(self.mesh.records(self.open)[-1]["caller"])

    def test_what_uid_1337_sends_is_not_intercepted(self):
        before = self.mesh.stat(self.shell, "listener.0.0.0.0_15001.downstream_cx_total")
        subprocess.run(["ip", "netns", "exec", self.shell.namespace, "setpriv", f"--reuid={UID}", f"--regid={UID}",
                        "--clear-groups", "curl", "-s", "--max-time", "5", f"http://{self.open.ip}:8080/"],
                       check=True, capture_output=True)
        self.assertEqual(self.mesh.stat(self.shell, "listener.0.0.0.0_15001.downstream_cx_total"), before)
        self.mesh.curl(self.shell, f"http://{self.open.ip}:8080/")
        self.assertEqual(self.mesh.stat(self.shell, "listener.0.0.0.0_15001.downstream_cx_total"), before + 1)


if __name__ == "__main__":
    refuse_unless_root()
    unittest.main()
