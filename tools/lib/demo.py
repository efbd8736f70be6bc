"""The demo's story: three unmodified services behind sidecars, called from a fourth namespace."""
import collections
import os
import signal
import sys

from netns_mesh import ROOT, Mesh, Service, Workload, wait_for

NGINX = """daemon off; master_process off; pid {dir}/nginx-{name}.pid; error_log stderr;
events {{}}
http {{ access_log off; server {{ listen {ip}:8080; location / {{ return 200 "web {name}\\n"; }} }} }}
"""


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    web1 = Workload("web-1", "10.77.1.11", "web", [(8080, True)])
    web2 = Workload("web-2", "10.77.1.12", "web", [(8080, True)])
    api = Workload("api-1", "10.77.1.13", "api", [(8000, True)])
    cache = Workload("cache-1", "10.77.1.14", "cache", [(6379, False)])
    shell = Workload("shell-1", "10.77.1.10", "shell")
    services = [Service("web", "10.96.0.10", 80, [(web1, 8080, 90), (web2, 8080, 10)]),
                Service("api", "10.96.0.13", 80, [(api, 8000, 1)]),
                Service("cache", "10.96.0.14", 6379, [(cache, 6379, 1)], http=False)]
    binary = os.path.join(ROOT, "build/bin/pinnace-proxy")
    print("== a mesh of five namespaces, a sidecar in each (uid 1337, outbound 15001, inbound 15006)")
    with Mesh(binary, [web1, web2, api, cache, shell], services) as mesh:
        for web in (web1, web2):
            path = os.path.join(mesh.dir, web.name + ".conf")
            with open(path, "w") as file:
                file.write(NGINX.format(dir=mesh.dir, name=web.name, ip=web.ip))
            mesh.start(web, "nginx", "-c", path)
        mesh.start(api, "python3", "-m", "http.server", "8000", "--bind", api.ip, cwd=mesh.dir)
        mesh.start(cache, "redis-server", "--bind", cache.ip, "--port", "6379", "--save", "", "--protected-mode", "no")
        ok = tell(mesh, shell, web1, web2, api, cache)
        if "--keep" in sys.argv:
            print(f"== it runs on; try: ip netns exec {shell.namespace} curl http://10.96.0.10/   (Ctrl-C ends it)")
            signal.pause()
    print("== every namespace and rule is gone")
    return 0 if ok else 1


def tell(mesh, shell, web1, web2, api, cache):
    wait_for(lambda: mesh.curl(shell, "http://10.96.0.10/")[1] == 200)
    wait_for(lambda: mesh.curl(shell, "http://10.96.0.13/")[1] == 200)
    print("\n== 200 requests to the service web (10.96.0.10), split 90 to 10")
    seen = collections.Counter(mesh.curl(shell, "http://10.96.0.10/")[2].strip() for _ in range(200))
    for name, count in sorted(seen.items()):
        print(f"   {name}: {count}")
    print("== nginx, Python and Redis saw plain TCP; between the sidecars it was mTLS:")
    pong = wait_for(lambda: "PONG" in mesh.run(shell.namespace, "redis-cli", "-h", "10.96.0.14", "ping").stdout)
    callers = set()
    for workload in (web1, web2, api, cache):
        record = wait_for(lambda: mesh.records(workload))[-1]
        callers.add(record["caller"])
        print(f"   {workload.name}: called by {record['caller']}")
    for record in mesh.records(shell)[-1:]:
        print(f"   {shell.name}: answered by {record['callee']}")
    print("== a plaintext request straight to a STRICT workload:")
    code, status, _ = mesh.curl(shell, f"http://{web1.ip}:8080/")
    print(f"   curl http://{web1.ip}:8080/ -> curl exit {code}, status {status}: refused" if status == 0
          else f"   UNEXPECTED status {status}")
    return bool(pong) and callers == {"spiffe://cluster.local/ns/shop/sa/shell"} and status == 0 and len(seen) == 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
