"""The Go gRPC client (module google.golang.org/grpc) under our control plane, without a proxy."""
import os
import shutil
import subprocess
import unittest

import grpc_mesh

PROGRAM = grpc_mesh.BUILD + "/interop/go-client"


class Go(grpc_mesh.GrpcClients, unittest.TestCase):
    def command(self):
        return [PROGRAM]


def build():
    if shutil.which("go") is None:
        return "there is no go command"
    os.makedirs(os.path.dirname(PROGRAM), exist_ok=True)
    folder = grpc_mesh.HERE + "/go"
    if subprocess.run(["go", "mod", "download"], cwd=folder, capture_output=True).returncode != 0:
        return "the Go modules cannot be had here"
    subprocess.run(["go", "build", "-o", PROGRAM, "."], cwd=folder, check=True)
    return None


if __name__ == "__main__":
    grpc_mesh.run(build)
