"""The demo's story: three unmodified services behind sidecars, called from a fourth namespace."""
import collections
import os
import re
import signal
import subprocess
import sys

from netns_mesh import ROOT, Mesh, Workload, wait_for

NGINX = """daemon off; master_process off; pid {dir}/nginx-{name}.pid; error_log stderr;
events {{}}
http {{ access_log off; server {{ listen {ip}:8080; location / {{ return 200 "{name}\\n"; }} }} }}
"""
WEB = "http://10.96.0.10/"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    web1, web2 = Workload("web-1", "10.77.1.11", "web"), Workload("web-2", "10.77.1.12", "web")
    api, cache = Workload("api-1", "10.77.1.13", "api"), Workload("cache-1", "10.77.1.14", "cache")
    shell = Workload("shell-1", "10.77.1.10", "shell")
    print("== pinnace-control on a folder of YAML, five namespaces with a sidecar each (uid 1337)")
    programs = os.environ.get("PINNACE_BIN", os.path.join(ROOT, "build/bin"))
    with Mesh(os.path.join(programs, "pinnace-proxy"), [web1, web2, api, cache, shell],
              policies=os.path.join(ROOT, "deploy/examples/demo")) as mesh:
        for web in (web1, web2):
            path = os.path.join(mesh.dir, web.name + ".conf")
            with open(path, "w") as file:
                file.write(NGINX.format(dir=mesh.dir, name=web.name, ip=web.ip))
            mesh.start(web, "nginx", "-c", path)
        mesh.start(api, "python3", "-m", "http.server", "8000", "--bind", api.ip, cwd=mesh.policies)
        mesh.start(cache, "redis-server", "--bind", cache.ip, "--port", "6379", "--save", "", "--protected-mode", "no")
        ok = tell(mesh, shell, web1, [web1, web2, api, cache])
        if "--keep" in sys.argv:
            print(f"== it runs on. Edit {mesh.policies}; call with: ip netns exec {shell.namespace} curl {WEB}\n"
                  f"   ip netns exec {mesh.fabric} build/bin/pinnacectl status      Ctrl-C ends it", flush=True)
            signal.pause()
    print("== every namespace and rule is gone" if ok else "== something was not as promised")
    return 0 if ok else 1


def share(mesh, shell, count=100):
    return collections.Counter(mesh.curl(shell, WEB)[2].strip() for _ in range(count))


def edit(mesh, file, pattern, replacement):
    """Changes a policy as an editor does: a new file renamed over the old one."""
    path = os.path.join(mesh.policies, file)
    with open(path) as old:
        text = re.sub(pattern, replacement, old.read())
    with open(path + ".new", "w") as new:
        new.write(text)
    os.rename(path + ".new", path)


def tell(mesh, shell, web1, servers):
    wait_for(lambda: mesh.curl(shell, WEB)[1] == 200, 30)
    wait_for(lambda: mesh.curl(shell, "http://10.96.0.13/")[1] == 200)
    print(mesh.ctl("status"))
    first = share(mesh, shell)
    print("== 100 requests to the service web, split 90 to 10:", dict(sorted(first.items())))
    wait_for(lambda: "PONG" in mesh.run(shell.namespace, "redis-cli", "-h", "10.96.0.14", "ping").stdout)
    print("== nginx, Python and Redis saw plain TCP; between the sidecars it was mTLS:")
    callers = set()
    for workload in servers:
        record = wait_for(lambda: mesh.records(workload))[-1]
        callers.add(record["downstream_peer_uri_san"])
        print(f"   {workload.name}: called by {record['downstream_peer_uri_san']}")
    code, status, _ = mesh.curl(shell, f"http://{web1.ip}:8080/")
    print(f"== plaintext straight to the STRICT workload {web1.ip}: curl exit {code}, status {status}")
    edit(mesh, "route.yaml", r"weight: 90", "weight: 0")
    wait_for(lambda: set(share(mesh, shell, 10)) == {"web-2"})
    print("== route.yaml edited (weight 90 -> 0):", dict(share(mesh, shell)))
    edit(mesh, "traffic.yaml", r"maxRequests: \d+", "maxRequests: 1")
    broken = wait_for(lambda: overload(mesh, shell))
    print(f"== traffic.yaml edited (maxRequests 1): of 16 requests at once, {broken} got 503 (flag UO)")
    edit(mesh, "traffic.yaml", r"maxRequests: 1\b", "maxRequests: many")
    problem = wait_for(lambda: [line for line in mesh.ctl("status").splitlines() if "maxRequests" in line])
    print("== an invalid edit leaves the mesh as it was:", mesh.curl(shell, WEB)[1], "\n  ", problem[0])
    return (callers == {"spiffe://cluster.local/ns/shop/sa/shell"} and status == 0 and len(first) == 2)


def overload(mesh, shell):
    """How many of 16 requests at once were answered 503."""
    out = subprocess.run(["ip", "netns", "exec", shell.namespace, "curl", "-s", "--max-time", "10", "-Z",
                          "--parallel-immediate", "--parallel-max", "16", "-o", "/dev/null", "-w", "%{http_code}\n",
                          WEB + "?[1-16]"], capture_output=True, text=True)
    return out.stdout.split().count("503")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
