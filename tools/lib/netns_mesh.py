"""Workloads in network namespaces, each with its sidecar; used by tools/demo and the netns tests.

One bridge in a namespace of its own joins them; nothing outside the namespaces is touched.
"""
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UID = 1337
TYPES = "type.googleapis.com/envoy.extensions"
TRUST = "spiffe://cluster.local/ns/shop/sa/"


def sh(*args, **more):
    return subprocess.run(args, check=True, capture_output=True, text=True, **more)


def wait_for(what, seconds=15.0):
    end = time.monotonic() + seconds
    while not (value := what()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} stayed false for {seconds} s")
        threading.Event().wait(0.02)
    return value


def address(ip, port):
    return {"socket_address": {"address": ip, "port_value": port}}


class Workload:
    """A namespace with an address, a service account, and what the mesh knows of its ports."""

    def __init__(self, name, ip, account, ports=(), strict=True):
        self.name, self.ip, self.account, self.ports, self.strict = name, ip, account, ports, strict
        self.envoy = None  # (program, api_type): an Envoy without identity, on plaintext xDS, is its sidecar.
        self.namespace = f"pinnace-{os.getpid()}-{name}"


class Service:
    """A virtual address, its protocol, and (workload, port, weight) behind it."""

    def __init__(self, name, ip, port, backends, http=True, limits=None):
        self.name, self.ip, self.port, self.backends, self.http = name, ip, port, backends, http
        self.limits = limits or {}


class Mesh:
    """Use as a context: everything that was made is gone afterwards.

    With `policies` (a folder of YAML) pinnace-control configures the sidecars from a copy of it, at
    `self.policies`; without, each gets a static bootstrap made here from `services`.
    """

    CONTROL_IP = "10.77.1.1"

    def __init__(self, binary, workloads, services=(), policies=None):
        self.binary, self.workloads, self.services = binary, workloads, services
        self.policies = policies
        self.fabric = f"pinnace-{os.getpid()}-fabric"
        self.processes = []
        self.dir = None

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="pinnace-mesh-")
        os.chmod(self.dir, 0o755)
        try:
            if not self.policies:
                self._certificates()
            sh("ip", "netns", "add", self.fabric)
            self.run(self.fabric, "ip", "link", "add", "br0", "type", "bridge")
            self.run(self.fabric, "ip", "link", "set", "br0", "up")
            if self.policies:
                self._control()
            for number, workload in enumerate(self.workloads):
                self._namespace(number, workload)
            for workload in self.workloads:
                self._sidecar(workload)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *ignored):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for workload in self.workloads:
            subprocess.run(["ip", "netns", "del", workload.namespace], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.fabric], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, namespace, *args, **more):
        return sh("ip", "netns", "exec", namespace, *args, **more)

    def start(self, workload, *args, uid=None, **more):
        """Starts a program in the workload's namespace; it ends with the mesh."""
        return self._spawn(workload.namespace, f"{workload.name}-{len(self.processes)}.log", args, uid, more)

    def _spawn(self, namespace, log_name, args, uid=None, more={}):
        who = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        with open(os.path.join(self.dir, log_name), "w") as log:
            os.chown(log.name, uid or 0, uid or 0)  # A sidecar opens /dev/stdout for its access log.
            process = subprocess.Popen(["ip", "netns", "exec", namespace, *who, *args],
                                       stdout=log, stderr=log, stdin=subprocess.DEVNULL, **more)
        self.processes.append(process)
        return process

    def curl(self, workload, url, *args):
        """(exit code, status, body) of a request made by an unmodified curl inside the workload."""
        out = subprocess.run(["ip", "netns", "exec", workload.namespace, "curl", "-s", "--max-time", "10",
                              "-w", "\n%{http_code}", *args, url], capture_output=True, text=True)
        body, _, status = out.stdout.rpartition("\n")
        return out.returncode, int(status or 0), body

    def records(self, workload):
        with open(self._path(workload, "access.log")) as file:
            return [json.loads(line) for line in file if line.startswith("{")]

    def ctl(self, *args):
        """What pinnacectl prints, called beside the control plane."""
        return self.run(self.fabric, self._tool("pinnacectl"), *args).stdout

    def _tool(self, name):
        return os.path.join(os.path.dirname(self.binary), name)

    def _control(self):
        self.run(self.fabric, "ip", "addr", "add", self.CONTROL_IP + "/24", "dev", "br0")
        self.run(self.fabric, "ip", "link", "set", "lo", "up")
        copy = os.path.join(self.dir, "policies")
        shutil.copytree(self.policies, copy)
        self.policies = copy
        self.state = os.path.join(self.dir, "state")
        self.start_control()
        shutil.copy(os.path.join(self.state, "root.pem"), os.path.join(self.dir, "root.pem"))

    def start_control(self):
        """Starts pinnace-control (again, on the same state) and waits until it serves."""
        ports = os.path.join(self.dir, "control-ports.json")
        if os.path.exists(ports):
            os.remove(ports)
        self.control = self._spawn(self.fabric, "control.log", [
            self._tool("pinnace-control"), "--config", self.policies, "--state", self.state,
            *(["--xds-address", "0.0.0.0:15010"] if any(w.envoy for w in self.workloads) else []), "--xds-tls-address",
            self.CONTROL_IP + ":15012", "--ip-san", self.CONTROL_IP, "--access-log", "/dev/stdout",
            "--ports-file", ports])
        wait_for(lambda: os.path.exists(ports))

    def _inject_envoy(self, workload, path):
        bootstrap = json.loads(self.ctl("inject", "--namespace", "shop", "--service-account", workload.account, "--pod",
                                        workload.name, "--ip", workload.ip, "--control", self.CONTROL_IP + ":15010"))
        bootstrap["dynamic_resources"]["ads_config"]["api_type"] = workload.envoy[1]
        with open(path, "w") as file:
            json.dump(bootstrap, file)

    def _inject(self, workload, path):
        token = self._path(workload, "token")
        with open(token, "w") as file:
            file.write(self.ctl("token", "create", "--state", self.state, "--namespace", "shop",
                                "--service-account", workload.account))
        os.chmod(token, 0o600)
        os.chown(token, UID, UID)
        with open(path, "w") as file:
            file.write(self.ctl("inject", "--namespace", "shop", "--service-account", workload.account, "--pod",
                                workload.name, "--ip", workload.ip, "--control", self.CONTROL_IP + ":15012", "--root",
                                os.path.join(self.dir, "root.pem"), "--token-file", token))

    def stat(self, workload, name):
        for line in self.run(workload.namespace, "curl", "-s", "http://127.0.0.1:15000/stats").stdout.splitlines():
            if line.startswith(name + ": "):
                return int(line.split(": ")[1])
        raise KeyError(name)

    def _path(self, workload, suffix):
        return os.path.join(self.dir, f"{workload.name}.{suffix}")

    def _certificates(self):
        def openssl(*args):
            sh("openssl", *args, cwd=self.dir)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                "-out", "ca.pem", "-days", "2", "-subj", "/O=pinnace demo")
        for workload in self.workloads:
            with open(self._path(workload, "ext"), "w") as file:
                file.write(f"subjectAltName=critical,URI:{TRUST}{workload.account}\n"
                           "extendedKeyUsage=serverAuth,clientAuth\n")
            openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    f"{workload.name}.key", "-out", f"{workload.name}.csr", "-subj", "/O=" + workload.account)
            openssl("x509", "-req", "-in", f"{workload.name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                    "-CAcreateserial", "-days", "2", "-extfile", f"{workload.name}.ext", "-out", f"{workload.name}.pem")
            os.chown(self._path(workload, "key"), UID, UID)

    def _namespace(self, number, workload):
        inner, outer = "eth0", f"veth{number}"
        sh("ip", "netns", "add", workload.namespace)
        self.run(self.fabric, "ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns",
                 workload.namespace)
        self.run(self.fabric, "ip", "link", "set", outer, "master", "br0", "up")
        for command in ("link set lo up", f"addr add {workload.ip}/24 dev {inner}", f"link set {inner} up",
                        f"route add default dev {inner}"):
            self.run(workload.namespace, "ip", *command.split())
        self.run(workload.namespace, os.path.join(ROOT, "tools/redirect.sh"))

    def _sidecar(self, workload):
        path = self._path(workload, "bootstrap.json")
        command = [self.binary, "-c", path]
        if workload.envoy:
            self._inject_envoy(workload, path)
            command = [workload.envoy[0], "-c", path, "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
        elif self.policies:
            self._inject(workload, path)
        else:
            with open(path, "w") as file:
                json.dump(self._bootstrap(workload), file, indent=1)
        # Its access log is its standard output.
        self._spawn(workload.namespace, f"{workload.name}.access.log", command, uid=UID)
        wait_for(lambda: "LIVE" in subprocess.run(
            ["ip", "netns", "exec", workload.namespace, "curl", "-s", "http://127.0.0.1:15000/ready"],
            capture_output=True, text=True).stdout)

    # What a control plane would send, for one workload.
    def _bootstrap(self, workload):
        passthrough = {"name": "PassthroughCluster", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED",
                       "connect_timeout": "5s"}
        clusters, listeners = [passthrough], []
        outbound = {"name": "virtualOutbound", "address": address("0.0.0.0", 15001), "use_original_dst": True,
                    "filter_chains": [self._tcp(workload, "outbound", {"cluster": "PassthroughCluster"})]}
        for service in self.services:
            weights = []
            for target, port, weight in service.backends:
                name = f"outbound|{service.port}||{service.name}|{target.name}"
                weights.append({"name": name, "weight": weight})
                clusters.append(self._cluster(workload, name, target, port, service))
            spread = {"weighted_clusters": {"clusters": weights}}
            chain = (self._http(workload, "outbound", spread) if service.http
                     else self._tcp(workload, "outbound", spread))
            listeners.append({"name": f"{service.ip}_{service.port}", "bind_to_port": False,
                              "address": address(service.ip, service.port), "filter_chains": [chain]})
        chains = []
        for port, http in workload.ports:
            make = self._http if http else self._tcp
            serve = make(workload, "inbound", {"cluster": "PassthroughCluster"})
            match = {"destination_port": port}
            chains.append({**serve, "filter_chain_match": {**match, "transport_protocol": "tls"},
                           **self._tls(workload, "Downstream", require_client_certificate=True)})
            if not workload.strict:
                chains.append({**serve, "filter_chain_match": {**match, "transport_protocol": "raw_buffer"}})
        inbound = {"name": "virtualInbound", "address": address("0.0.0.0", 15006), "listener_filters": [
            {"name": "original_dst", "typed_config": {"@type": TYPES + ".filters.listener.original_dst.v3.OriginalDst"}},
            {"name": "tls", "typed_config": {"@type": TYPES + ".filters.listener.tls_inspector.v3.TlsInspector"}}],
            "filter_chains": chains}
        return {"node": {"id": f"sidecar~{workload.ip}~{workload.name}.shop~shop.svc.cluster.local"},
                "admin": {"address": address("127.0.0.1", 15000)},
                "static_resources": {"listeners": [outbound, *listeners, *([inbound] if chains else [])],
                                     "clusters": clusters}}

    def _cluster(self, workload, name, target, port, service):
        return {"name": name, "type": "STATIC", "connect_timeout": "5s", **service.limits,
                "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                    {"endpoint": {"address": address(target.ip, port)}}]}]},
                **self._tls(workload, "Upstream", expected=target.account)}

    def _tls(self, workload, kind, expected=None, **more):
        validation = {"trusted_ca": {"filename": os.path.join(self.dir, "ca.pem")},
                      "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": (
                          {"exact": TRUST + expected} if expected else {"prefix": "spiffe://cluster.local/"})}]}
        return {"transport_socket": {"name": "tls", "typed_config": {
            "@type": f"{TYPES}.transport_sockets.tls.v3.{kind}TlsContext", **more, "common_tls_context": {
                "validation_context": validation, "tls_certificates": [
                    {"certificate_chain": {"filename": self._path(workload, "pem")},
                     "private_key": {"filename": self._path(workload, "key")}}]}}}}

    def _log(self, workload, direction):
        fields = {"direction": direction, "method": "%REQ(:METHOD)%", "path": "%REQ(:PATH)%",
                  "code": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "caller": "%DOWNSTREAM_PEER_URI_SAN%",
                  "callee": "%UPSTREAM_PEER_URI_SAN%", "upstream": "%UPSTREAM_HOST%", "id": "%REQ(X-REQUEST-ID)%"}
        return [{"name": "file", "typed_config": {
            "@type": TYPES + ".access_loggers.file.v3.FileAccessLog",
            "path": "/dev/stdout", "log_format": {"json_format": fields}}}]

    def _http(self, workload, direction, action):
        return {"filters": [{"name": "http", "typed_config": {
            "@type": TYPES + ".filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": direction, "access_log": self._log(workload, direction),
            "route_config": {"name": direction, "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}]},
            "http_filters": [{"name": "router", "typed_config": {"@type": TYPES + ".filters.http.router.v3.Router"}}]}}]}

    def _tcp(self, workload, direction, action):
        return {"filters": [{"name": "tcp", "typed_config": {
            "@type": TYPES + ".filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": direction + "_tcp",
            "access_log": self._log(workload, direction), **action}}]}
