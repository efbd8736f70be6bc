"""The demo without namespaces: nothing is intercepted, a client calls its sidecar's port by itself."""
import collections
import json
import os
import signal
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ.setdefault("PINNACE_BIN", os.path.join(ROOT, "build/bin"))
sys.path.insert(0, os.path.join(ROOT, "tests/integration"))
from mesh import Origin, Proxy, cluster, http_listener, make_certs, request, tls, wait_for

IDENTITY = "spiffe://cluster.local/ns/shop/sa/"


def only(account):
    return {"match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": IDENTITY + account}}]}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    closing = []
    with tempfile.TemporaryDirectory(prefix="pinnace-demo-") as folder:
        try:
            return tell(folder, closing)
        finally:
            for one in reversed(closing):
                one.close()


def start(closing, one):
    closing.append(one)
    return one


def tell(folder, closing):
    make_certs(folder, ["web", "shell", "other"])
    log = os.path.join(folder, "web.log")
    servers = []
    for name in ("web-1", "web-2"):
        origin = start(closing, Origin())
        servers.append(start(closing, Proxy(
            [http_listener(name, "app", log=log, **tls("Downstream", folder, "web", require_client_certificate=True,
                                                       validation=only("shell")))], [cluster("app", origin.port)])))
    ports = [server.ports[name] for server, name in zip(servers, ("web-1", "web-2"))]
    upstream = {"clusters": [{"name": "web-1", "weight": 90}, {"name": "web-2", "weight": 10}]}
    listener = http_listener("outbound", "")
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["route_config"]["virtual_hosts"][0]["routes"] = [
        {"match": {"prefix": "/"}, "route": {"weighted_clusters": upstream}}]
    client = start(closing, Proxy([listener, http_listener("stranger", "other")], [
        *(cluster(name, port, **tls("Upstream", folder, "shell", validation=only("web")))
          for name, port in zip(("web-1", "web-2"), ports)),
        cluster("other", ports[0], **tls("Upstream", folder, "other"))]))
    here = f"http://127.0.0.1:{client.ports['outbound']}/"
    print(f"== two servers behind sidecars on ports {ports[0]} and {ports[1]}; the client's sidecar: {here}")
    statuses = collections.Counter(request(client.ports["outbound"], "/hello")[0] for _ in range(100))
    share = {name: client.stat(f"cluster.{name}.upstream_rq_total") for name in ("web-1", "web-2")}
    print(f"== 100 requests, split 90 to 10: {share}, statuses {dict(statuses)}")
    with open(log) as file:
        caller = json.loads(wait_for(file.readline))["peer"]
    print(f"== between the sidecars it was mTLS: web was called by {caller}")
    stranger = request(client.ports["stranger"])[0]
    print(f"== a caller with another identity gets {stranger}")
    try:
        plain = request(ports[0])[0]
    except OSError:
        plain = 0
    print(f"== plaintext straight to the server's sidecar: status {plain}")
    sys.stdout.flush()
    if "--keep" in sys.argv:
        print(f"== it runs on; call with: curl {here}      Ctrl-C ends it", flush=True)
        signal.pause()
    good = (statuses == {200: 100} and min(share.values()) > 0 and caller == IDENTITY + "shell" and stranger == 503
            and plain == 0)
    print("== every process is gone" if good else "== something was not as promised")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
