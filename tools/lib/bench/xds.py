"""Simulated sidecars under pinnace-control and under a go-control-plane server, side by side.

The server has core 0, the sidecars (build/bin/xds-load, delta ADS, clusters by wildcard and their
endpoints by name) have core 1. Each service has 3 endpoints. go-control-plane is given resources of the
same content in one snapshot for all nodes, which is the least work that it can have.

  --clients N,N,...   sidecars in turn (100,1000)
  --services N        services (1000)
  --shared N          sidecars a TCP connection (1: each its own)
  --changes N         endpoint changes to measure (5)
  --peers ours,go     which servers
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request

BIN = os.environ.get("PINNACE_BIN", "build/bin")
GOCP = os.environ.get("GOCP", "build/go/gocp")
TICK = os.sysconf("SC_CLK_TCK")


def until(check, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.05)
    raise SystemExit("timed out")


def addresses(service, change):
    base = [f"10.{1 + service // 250}.{service % 250}.{n}" for n in (1, 2, 3)]
    return base[:2] + [f"10.{1 + service // 250}.{service % 250}.{10 + change % 200}"]


class Server:
    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Ours(Server):
    name = "pinnace-control"

    def __init__(self, services):
        self.folder = tempfile.TemporaryDirectory(prefix="pinnace-bench-")
        self.path = self.folder.name
        os.mkdir(self.path + "/config")
        for service in range(services):
            self.write(service, 0)
        ports = self.path + "/ports.json"
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", BIN + "/pinnace-control", "--config", self.path + "/config", "--state",
             self.path + "/state", "--xds-address", "127.0.0.1:0", "--xds-tls-address", "127.0.0.1:0",
             "--ports-file", ports, "-l", "error"])
        until(lambda: os.path.exists(ports))
        with open(ports) as file:
            self.port = json.load(file)["xds"]
        time.sleep(2)

    def write(self, service, change):
        name = f"s{service}"
        ends = ", ".join("{addresses: [%s]}" % address for address in addresses(service, change))
        text = (f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: load}}\n"
                f"spec: {{clusterIP: 10.96.{service // 250}.{service % 250 + 1}, "
                "ports: [{name: http, port: 80}]}\n---\n"
                f"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, "
                f"namespace: load, labels: {{kubernetes.io/service-name: {name}}}}}\n"
                f"addressType: IPv4\nports: [{{name: http, port: 8080}}]\nendpoints: [{ends}]\n")
        with open(self.path + "/new", "w") as file:
            file.write(text)
        os.replace(self.path + "/new", f"{self.path}/config/{name}.yaml")

    def change(self, service, change):
        self.write(service, change)

    def stop(self):
        super().stop()
        self.folder.cleanup()


class Go(Server):
    name = "go-control-plane"

    def __init__(self, services):
        self.process = subprocess.Popen(["taskset", "-c", "0", GOCP, "-ads=false"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env={**os.environ, "GOMAXPROCS": "1"})
        ports = json.loads(self.process.stdout.readline())
        self.port, self.http = ports["xds"], ports["http"]
        ads = {"ads": {}, "resource_api_version": "V3"}
        types = "type.googleapis.com/envoy."
        options = types + "extensions.upstreams.http.v3.HttpProtocolOptions"
        self.clusters = [{
            "@type": types + "config.cluster.v3.Cluster", "name": self.cluster(n), "type": "EDS",
            "eds_cluster_config": {"eds_config": ads}, "connect_timeout": "5s", "lb_policy": "LEAST_REQUEST",
            "circuit_breakers": {"thresholds": [{"max_connections": 1024, "max_pending_requests": 1024,
                                                 "max_requests": 1024, "max_retries": 3}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options, "explicit_http_config": {"http_protocol_options": {}}}}}
            for n in range(services)]
        self.endpoints = [self.assignment(n, 0) for n in range(services)]
        self.version = 0
        self.set()

    @staticmethod
    def cluster(service):
        return f"outbound|80||s{service}.load.svc.cluster.local"

    def assignment(self, service, change):
        return {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": self.cluster(service), "endpoints": [{
                    "locality": {}, "load_balancing_weight": 3, "lb_endpoints": [
                        {"health_status": "HEALTHY", "endpoint": {"address": {"socket_address": {
                            "address": address, "port_value": 8080}}}}
                        for address in addresses(service, change)]}]}

    def set(self):
        self.version += 1
        body = json.dumps({"version": str(self.version), "resources": self.clusters + self.endpoints})
        urllib.request.urlopen(f"http://127.0.0.1:{self.http}/set", body.encode(), timeout=60).read()

    def change(self, service, change):
        self.endpoints[service] = self.assignment(service, change)
        self.set()


class Load:
    def __init__(self, port, clients, connections):
        self.process = subprocess.Popen(
            ["taskset", "-c", "1", BIN + "/xds-load", f"127.0.0.1:{port}", str(clients), str(connections)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self):
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def measure(kind, clients, options):
    server = kind(options.services)
    load = Load(server.port, clients, max(1, clients // options.shared))
    try:
        before_kib, before_cpu = server.rss_kib(), server.cpu()
        load.say("connect")
        connect = load.read()
        connect_cpu = server.cpu() - before_cpu
        time.sleep(2)
        kib = (server.rss_kib() - before_kib) / clients
        rows = []
        for change in range(1, options.changes + 1):
            cpu = server.cpu()
            load.say(f"change {Go.cluster(7)} 120")
            load.read()
            server.change(7, change)
            row = load.read()
            time.sleep(1)
            row["cpu"] = server.cpu() - cpu
            rows.append(row)
        middle = lambda key: statistics.median(row[key] for row in rows)
        cpu = server.cpu()
        load.say("reconnect")
        again = load.read()
        print(f"{server.name:17} {clients:6} {kib:8.1f} {connect['seconds']:8.2f} "
              f"{1000 * connect_cpu / clients:8.2f} {connect['resource_bytes'] / clients / 1024:8.0f} "
              f"{middle('first_ms'):8.0f} {middle('p50_ms'):8.0f} {middle('p99_ms'):8.0f} "
              f"{middle('p99_ms') - middle('first_ms'):8.0f} {middle('cpu'):7.2f} "
              f"{min(row['acked'] for row in rows):6} {again['resource_bytes']:10} "
              f"{1000 * (server.cpu() - cpu) / clients:8.2f}", flush=True)
        if connect["failed"] or again["failed"]:
            print(f"  failed streams: {connect['failed']} at connect, {again['failed']} at reconnect")
    finally:
        load.stop()
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="100,1000")
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--shared", type=int, default=1)
    parser.add_argument("--changes", type=int, default=5)
    parser.add_argument("--peers", default="ours,go")
    options = parser.parse_args()
    kinds = [kind for key, kind in (("ours", Ours), ("go", Go)) if key in options.peers.split(",")]
    if Go in kinds and not os.path.exists(GOCP):
        print(f"go-control-plane left out: {GOCP} is not there (tools/test builds it where Go is)")
        kinds.remove(Go)
    print(f"{'':17} {'N':>6} {'KiB/each':>8} {'connect':>8} {'cpu ms':>8} {'KiB sent':>8} {'first':>8} "
          f"{'p50 ms':>8} {'p99 ms':>8} {'spread':>8} {'cpu s':>7} {'acked':>6} {'again B':>10} {'cpu ms':>8}")
    for clients in map(int, options.clients.split(",")):
        for kind in kinds:
            measure(kind, clients, options)


if __name__ == "__main__":
    main()
