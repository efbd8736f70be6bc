"""A real Envoy is the client's sidecar under our control plane, by Delta and by SotW xDS."""
import collections
import os
import shutil
import sys
import tempfile
import unittest

SOURCE = os.environ["PINNACE_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "tools/lib"))
sys.path.insert(0, os.path.join(SOURCE, "tests/integration"))
from netns_mesh import Mesh, Workload, wait_for
from parity import ENVOY, skip_without_envoy

WEB = "http://10.96.0.10/"


class EnvoySidecar(unittest.TestCase):
    def serve(self, api_type):
        web = [Workload("web-1", "10.77.1.11", "web"), Workload("web-2", "10.77.1.12", "web")]
        shell = Workload("shell-1", "10.77.1.10", "shell")
        shell.envoy = (self.program(), api_type)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        policies = os.path.join(folder.name, "policies")
        shutil.copytree(os.path.join(SOURCE, "deploy/examples/demo"), policies)
        # An Envoy cannot get an identity from a join token: the mesh talks in plaintext here.
        self.edit(os.path.join(policies, "mesh-tls.yaml"), "Strict", "Disable")
        with Mesh(os.path.join(os.environ["PINNACE_BIN"], "pinnace-proxy"), [*web, shell], policies=policies) as mesh:
            for one in web:
                content = os.path.join(mesh.dir, one.name)
                os.mkdir(content)
                with open(os.path.join(content, "index.html"), "w") as file:
                    file.write(one.name)
                mesh.start(one, "/usr/bin/python3", "-m", "http.server", "8080", "--bind", one.ip, cwd=content)
            wait_for(lambda: {mesh.curl(shell, WEB)[2] for _ in range(20)} == {"web-1", "web-2"}, 60)
            share = collections.Counter(mesh.curl(shell, WEB)[2] for _ in range(100))
            self.assertEqual(share["web-1"] + share["web-2"], 100, share)
            self.assertGreater(share["web-1"], share["web-2"], "the split is 90 to 10")
            states = [line.split() for line in mesh.ctl("status").splitlines() if "~shell-1." in line]
            self.assertTrue({"CDS", "LDS", "RDS"} <= {line[2] for line in states}, states)
            self.assertEqual({line[3] for line in states}, {"SYNCED"}, states)
            self.edit(os.path.join(mesh.policies, "route.yaml"), "weight: 90", "weight: 0")
            wait_for(lambda: {mesh.curl(shell, WEB)[2] for _ in range(10)} == {"web-2"}, 30)
            share = collections.Counter(mesh.curl(shell, WEB)[2] for _ in range(50))
            self.assertEqual(share, {"web-2": 50})

    def program(self):
        """Envoy where uid 1337 can run it."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        return shutil.copy(os.path.realpath(ENVOY), os.path.join(folder.name, "envoy"))

    def edit(self, path, old, new):
        with open(path) as file:
            text = file.read()
        self.assertIn(old, text)
        with open(path + ".new", "w") as file:
            file.write(text.replace(old, new))
        os.rename(path + ".new", path)

    def test_delta(self):
        self.serve("DELTA_GRPC")

    def test_state_of_the_world(self):
        self.serve("GRPC")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIPPED: network namespaces need root; run as root")
        sys.exit(77)
    skip_without_envoy()
    unittest.main()
