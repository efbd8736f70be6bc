"""An ADS server that says exactly what a test tells it to (grpcio and xds-protos, in the tests' venv)."""
import queue
import threading
from concurrent import futures

import grpc
from google.protobuf import json_format
from envoy.config.cluster.v3 import cluster_pb2  # noqa: F401: the types that Any may hold
from envoy.config.endpoint.v3 import endpoint_pb2  # noqa: F401
from envoy.config.listener.v3 import listener_pb2  # noqa: F401
from envoy.config.route.v3 import route_pb2  # noqa: F401
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2  # noqa: F401
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2  # noqa: F401
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2  # noqa: F401
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from mesh import wait_for

NAMES = {"Cluster": "cds", "ClusterLoadAssignment": "eds", "Listener": "lds", "RouteConfiguration": "rds",
         "Secret": "sds"}


def kind_of(url):
    return NAMES.get(url.rsplit(".", 1)[-1], url)


class Stream:
    """One open stream: what came in, and a queue of what is to go out."""

    def __init__(self, delta):
        self.delta, self.requests, self.out = delta, [], queue.Queue()
        self.nonce = 0

    def read(self, iterator):
        try:
            for message in iterator:
                self.requests.append(message)
        except grpc.RpcError:
            pass
        self.out.put(None)

    def of(self, kind):
        return [one for one in self.requests if kind_of(one.type_url) == kind]

    def wait(self, kind, check=lambda request: True, seconds=10):
        """The first request of that kind for which `check` holds."""
        return wait_for(lambda: next((one for one in self.of(kind) if check(one)), None), seconds)

    def send(self, url, resources=(), version="1", removed=(), ttl=None, errors=()):
        """One response; returns its nonce. Resources are dicts with "@type", of which url may be left out."""
        self.nonce += 1
        nonce = f"nonce-{self.nonce}"
        if self.delta:
            message = discovery_pb2.DeltaDiscoveryResponse(type_url=url, nonce=nonce, removed_resources=removed)
            for one in resources:
                added = message.resources.add(name=name_of(one), version=version)
                if set(one) - {"name", "@type"}:
                    json_format.ParseDict(one, added.resource)
                if ttl:
                    added.ttl.FromSeconds(ttl)
        else:
            message = discovery_pb2.DiscoveryResponse(type_url=url, nonce=nonce, version_info=version)
            for one in resources:
                json_format.ParseDict(one, message.resources.add())
        for name, text in errors:
            error = message.resource_errors.add()
            error.resource_name.name = name
            error.error_detail.code = 5
            error.error_detail.message = text
        self.out.put(message)
        return nonce

    def answered(self, kind, nonce, seconds=10):
        """The text of the NACK of that response; empty for an ACK."""
        request = self.wait(kind, lambda one: one.response_nonce == nonce, seconds)
        return request.error_detail.message

    def end(self):
        self.out.put(None)


def name_of(resource):
    return resource.get("name") or resource.get("cluster_name")


class ScriptedXds(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    def __init__(self, port=0):
        self.streams = []
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=16),
                                  options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)])
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()

    def serve(self, iterator, delta):
        stream = Stream(delta)
        self.streams.append(stream)
        threading.Thread(target=stream.read, args=(iterator,), daemon=True).start()
        while (message := stream.out.get()) is not None:
            yield message

    def StreamAggregatedResources(self, iterator, context):
        yield from self.serve(iterator, False)

    def DeltaAggregatedResources(self, iterator, context):
        yield from self.serve(iterator, True)

    def stream(self, index=0, seconds=20):
        wait_for(lambda: len(self.streams) > index, seconds)
        return self.streams[index]

    def close(self):
        for stream in self.streams:
            stream.end()
        self.server.stop(0).wait()
