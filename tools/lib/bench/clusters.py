#!/usr/bin/env python3
"""One proxy that knows 1,000 clusters of two endpoints and 1,000 virtual hosts, five of them in use: memory, time until
ready, length and time of a Prometheus scrape. Envoy and ours get the same YAML; rounds are interleaved, medians printed.

usage: clusters.py [--clusters 1000] [--rounds 5]
"""
import argparse, json, os, statistics, time, urllib.request
here = os.path.dirname(os.path.abspath(__file__))
m = {}; exec(compile(open(os.path.join(here, "side_by_side.py")).read().rsplit("\nmain()", 1)[0], "sbs", "exec"), m)
ap = argparse.ArgumentParser(); ap.add_argument("--clusters", type=int, default=1000); ap.add_argument("--rounds", type=int, default=5)
a = ap.parse_args()

def endpoint(port): return {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}

def bootstrap(port, admin):
    t = "type.googleapis.com/envoy.extensions.filters"
    names = [f"outbound|80||service-{i}.shop.svc.cluster.local" for i in range(a.clusters)]
    hosts = [{"name": n, "domains": [f"service-{i}", f"service-{i}.shop.svc.cluster.local"],
              "routes": [{"match": {"prefix": "/"}, "route": {"cluster": n, "timeout": "15s"}}]} for i, n in enumerate(names)]
    manager = {"@type": t + ".network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "out",
               "route_config": {"name": "r", "virtual_hosts": hosts},
               "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": t + ".http.router.v3.Router"}}]}
    return {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
            "static_resources": {
                "listeners": [{"name": "l", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                               "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
                "clusters": [{"name": n, "type": "STATIC", "connect_timeout": "1s", "load_assignment": {
                    "cluster_name": n, "endpoints": [{"lb_endpoints": [endpoint(m["ORIGIN"]), endpoint(m["ORIGIN"])]}]}} for n in names]}}

def fetch(port, path, host=None):
    return urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"host": host} if host else {}), timeout=20).read()

def one(binary, port, admin):
    y = m["write"](f"c{port}.json", json.dumps(bootstrap(port, admin)))
    start = time.time()
    p = m["spawn"]([binary, "-c", y, "--concurrency", "2", "-l", "error"] + (["--base-id", str(port % 1000), "--disable-hot-restart"] if binary == m["ENVOY"] else []), 0)
    try:
        while True:
            try:
                if fetch(admin, "/ready").strip() == b"LIVE": break
            except OSError: pass
            if time.time() > start + 60: raise SystemExit(f"{binary} is not ready")
            time.sleep(0.005)
        ready = time.time() - start
        m["wait_port"](port)
        for i in range(5):
            for _ in range(20): fetch(port, "/", f"service-{i}")
        scrapes = []
        for _ in range(3):
            t0 = time.time(); text = fetch(admin, "/stats/prometheus"); scrapes.append(time.time() - t0)
        return dict(pss=m["rss_mb"](p.pid), ready=ready, scrape=statistics.median(scrapes), bytes=len(text))
    finally: m["stop"](p)

origin = m["start_origin"](); seen = {}
try:
    for r in range(a.rounds):
        for name, binary, port in (("envoy", m["ENVOY"], 19400), ("ours", m["OURS"], 19410)):
            if os.path.exists(binary): seen.setdefault(name, []).append(one(binary, port + r, port + 100 + r))
finally: m["stop"](origin)
med = {n: {k: statistics.median(x[k] for x in xs) for k in xs[0]} for n, xs in seen.items()}
print(f"{a.clusters} clusters: peer    PSS MB   ready ms   scrape ms   scrape KB")
for n, x in med.items(): print(f"{'':15}{n:8}{x['pss']:7.1f}{x['ready']*1e3:10.0f}{x['scrape']*1e3:11.1f}{x['bytes']/1024:12.0f}")
print(json.dumps({"clusters": med}))
