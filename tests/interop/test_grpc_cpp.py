"""The C++ gRPC client (Debian libgrpc++) under our control plane, without a proxy."""
import unittest

import grpc_mesh


class Cpp(grpc_mesh.GrpcClients, unittest.TestCase):
    def command(self):
        return [grpc_mesh.BIN + "/interop_grpc_client"]


if __name__ == "__main__":
    grpc_mesh.run(lambda: None)
