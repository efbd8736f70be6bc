"""The Node gRPC client (npm @grpc/grpc-js-xds) under our control plane, without a proxy."""
import os
import shutil
import subprocess
import unittest

import grpc_mesh

FOLDER = grpc_mesh.BUILD + "/interop/node"


class Node(grpc_mesh.GrpcClients, unittest.TestCase):
    absent = "!DEADLINE_EXCEEDED"  # grpc-js lets a call wait for a name that does not resolve.

    def command(self):
        return ["node", FOLDER + "/client.js"]


def install():
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "there is no node or npm command"
    shutil.copytree(grpc_mesh.HERE + "/node", FOLDER, dirs_exist_ok=True)
    done = os.path.join(FOLDER, "node_modules", "@grpc", "grpc-js-xds")
    if not os.path.isdir(done):
        got = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True)
        if got.returncode != 0:
            return "the npm packages cannot be had here"
    return None


if __name__ == "__main__":
    grpc_mesh.run(install)
