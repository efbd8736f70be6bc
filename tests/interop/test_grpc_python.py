"""The Python gRPC client (PyPI grpcio) under our control plane, without a proxy."""
import sys
import unittest

import grpc_mesh


class Python(grpc_mesh.GrpcClients, unittest.TestCase):
    def command(self):
        return [sys.executable, "-B", grpc_mesh.HERE + "/python/client.py"]


if __name__ == "__main__":
    grpc_mesh.run(lambda: None)
