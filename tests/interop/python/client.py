"""Calls xds:///TARGET as standard input says; see grpc_mesh.py for the lines."""
import collections
import sys

import grpc

METHODS = {}
for line in sys.stdin:
    target, method, count, *pairs = line.split()
    if target not in METHODS:
        METHODS[target] = grpc.insecure_channel("xds:///" + target)
    call = METHODS[target].unary_unary("/test.Echo/" + method)
    seen = collections.Counter()
    for _ in range(int(count)):
        try:
            seen[call(b"", timeout=20, metadata=[tuple(p.split("=")) for p in pairs]).decode()] += 1
        except grpc.RpcError as error:
            seen["!" + error.code().name] += 1
            print(error.details(), file=sys.stderr)
    print(" ".join("%s=%d" % item for item in seen.items()), flush=True)
