"""The gRPC project's own interop client and server agree on every case through one proxy and through two."""
import socket
import subprocess
import tempfile
import unittest

from mesh import *

# All but pick_first_unary, which the Go server cannot serve: it names no server.
CASES = ("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
         "timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
         "special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
         "orca_per_rpc", "orca_oob", "rpc_soak", "channel_soak")

# The balancer by which the client hears of load reports.
LOAD_REPORTS = '--service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'


class GrpcInterop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        cls.server = subprocess.Popen([os.path.join(GO_TOOLS, "grpc_interop_server"), f"--port={port}"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.certs = tempfile.TemporaryDirectory()
        make_certs(cls.certs.name, ["web", "shell"])
        wait_for(lambda: cls.answers(port))
        unbounded = {"timeout": "0s", "max_stream_duration": {"grpc_timeout_header_max": "0s"}}
        upstream = cluster("server", port, **http2())
        cls.near = Proxy([http_listener("in", "server", route=unbounded)], [upstream])
        mtls = tls("Downstream", cls.certs.name, "web", require_client_certificate=True)
        mtls["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"] = ["h2"]
        cls.far = Proxy([http_listener("in", "server", route=unbounded, **mtls)], [upstream])
        out = tls("Upstream", cls.certs.name, "shell")
        out["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"] = ["h2"]
        cls.first = Proxy([http_listener("in", "web", route=unbounded)],
                          [cluster("web", cls.far.ports["in"], **http2(), **out)])

    @classmethod
    def tearDownClass(cls):
        for proxy in (cls.near, cls.first, cls.far):
            proxy.close()
        cls.server.kill()
        cls.server.wait()
        cls.certs.cleanup()

    @staticmethod
    def answers(port):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    def run_case(self, case, port):
        more = [LOAD_REPORTS] if case.startswith("orca") else []
        done = subprocess.run([os.path.join(GO_TOOLS, "grpc_interop_client"), "--server_host=127.0.0.1",
                               f"--server_port={port}", f"--test_case={case}", "--soak_iterations=20", *more],
                              env={**os.environ, "GRPC_GO_LOG_SEVERITY_LEVEL": "info"}, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        self.assertRegex(done.stderr, r"(?i)done|soak")

    def test_every_case_through_one_proxy(self):
        for case in CASES:
            with self.subTest(case):
                self.run_case(case, self.near.ports["in"])
        self.assertEqual(self.near.stat("cluster.server.upstream_rq_active"), 0)

    def test_every_case_through_two_proxies_with_mtls_between(self):
        for case in CASES:
            with self.subTest(case):
                self.run_case(case, self.first.ports["in"])
        # Calls of one client share what is open between the sidecars.
        self.assertLessEqual(self.first.stat("cluster.web.upstream_cx_total"), 2)
        self.assertGreater(self.first.stat("cluster.web.ssl.handshake"), 0)

    def test_a_call_to_a_dead_upstream_is_unavailable(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            proxy = Proxy([http_listener("in", "dead")],
                          [cluster("dead", closed.getsockname()[1], **http2())])
            self.addCleanup(proxy.close)
            done = subprocess.run([os.path.join(GO_TOOLS, "grpc_interop_client"), "--server_host=127.0.0.1",
                                   f"--server_port={proxy.ports['in']}", "--test_case=empty_unary"],
                                  capture_output=True, text=True, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("code = Unavailable desc = upstream connect error", done.stderr)


if __name__ == "__main__":
    needs("grpc_interop_client", "grpc_interop_server")
    unittest.main()
