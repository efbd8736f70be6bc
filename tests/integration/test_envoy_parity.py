"""Every bootstrap under tests/bootstraps gives the same answers from a real Envoy and from pinnace-proxy."""
import ast
import concurrent.futures
import glob
import json
import os
import re
import shlex
import socket
import string
import subprocess
import tempfile
import time
import unittest

from mesh import BIN, cluster, http_listener, make_certs, wait_for
from origin import BannerOrigin, EchoOrigin, mutual_tls
from parity import ENVOY, accepts, fixed, free_port, skip_without_envoy

FOLDER = os.path.join(os.environ["PINNACE_SOURCE"], "tests/bootstraps")
OURS = [os.path.join(BIN, "pinnace-proxy"), "-l", "error"]
THEIRS = [ENVOY, "-l", "off", "--concurrency", "1", "--disable-hot-restart", "--file-flush-interval-msec", "50"]
# Headers that carry time, or what a proxy decides for itself: whether the connection stays open.
VARY = {"date", "x-envoy-upstream-service-time", "connection"}
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def plain_record(line):
    """A log record without what differs by design: the order of flags, Envoy's own words of why a connection failed."""
    words = re.sub(r"\|[^}]*", "", line).split()
    return " ".join(",".join(sorted(word.split(","))) for word in words)


class Running:
    """A proxy on a bootstrap, until the end of the `with`."""

    def __init__(self, command, text, port):
        self.folder = tempfile.TemporaryDirectory(prefix="pinnace-parity-")
        path = os.path.join(self.folder.name, "bootstrap.yaml")
        with open(path, "w") as file:
            file.write(text)
        self.errors = open(os.path.join(self.folder.name, "errors"), "w+")
        self.process = subprocess.Popen([*command, "-c", path], stdout=self.errors, stderr=self.errors)
        try:
            wait_for(lambda: self.process.poll() is not None or accepts(port), 20)
            self.errors.seek(0)
            assert self.process.poll() is None, self.errors.read()
        except AssertionError:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.errors.close()
        self.folder.cleanup()


class Case:
    """One bootstrap's places: ports, origins, certificates."""

    def __init__(self, name, origins, certs):
        self.origins = origins
        with open(os.path.join(FOLDER, name + ".yaml")) as file:
            template = string.Template(file.read())
        with open(os.path.join(FOLDER, name + ".requests")) as file:
            self.lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
        self.log = os.path.join(certs, name + ".log")
        names = set(re.findall(r"\$(port_\w+)", template.template))
        self.places = {**{port: free_port() for port in names}, **{n: o.port for n, o in origins.items()},
                       "dead": free_port(), "certs": certs, "log": self.log}
        self.text = template.substitute(self.places)

    def answers(self, command):
        for origin in self.origins.values():
            if isinstance(origin, EchoOrigin):
                origin.reset()
        open(self.log, "w").close()
        with Running(command, self.text, self.places["port_in"]):
            answers = [self.answer(line) for line in self.lines]
            # A record is written after the answer; each request of these bootstraps has one or none.
            if "path: " + self.log in self.text:
                self.settle()
        with open(self.log) as file:
            return answers, sorted(plain_record(line) for line in file)

    def settle(self):
        """Waits until the log has not grown for a third of a second (Envoy writes every 50 ms)."""
        size, since = -1, time.monotonic()

        def quiet():
            nonlocal size, since
            now = os.path.getsize(self.log)
            if now != size:
                size, since = now, time.monotonic()
            return time.monotonic() - since > 0.33

        wait_for(quiet)

    def answer(self, line):
        words = shlex.split(string.Template(line).safe_substitute(self.places))
        if words[0] != "together":
            return self.one(words)
        count, refused, a = int(words[1]), int(words[2]), self.origins["origin_a"]
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            asked = [pool.submit(self.one, words[3:]) for _ in range(count)]
            try:
                wait_for(lambda: a.waiting > 0 and sum(one.done() for one in asked) >= refused)
            finally:
                while not all(one.done() for one in asked):  # What was pending comes to the gate later.
                    a.release()
                    concurrent.futures.wait(asked, 0.05)
            return sorted(one.result() for one in asked)

    def one(self, words):
        if words[0] in ("tcp", "raw"):
            return self.speak(self.places["port_" + words[1]], ast.literal_eval(f'b"{words[2]}"'), words[0] == "raw")
        scheme, name, path = re.fullmatch(r"(https?)://(\w+)(/?.*)", words[0]).groups()
        url = f"{scheme}://127.0.0.1:{self.places['port_' + name]}{path}"
        run = subprocess.run(["curl", "-s", "-g", "-k", "--max-time", "10", "-i", url, *words[1:]], capture_output=True)
        head, _, body = run.stdout.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):
            head, _, body = body.partition(b"\r\n\r\n")
        headers = sorted(line for line in head.split(b"\r\n")[1:] if line.split(b":")[0].decode().lower() not in VARY)
        code = 55 if run.returncode == 56 else run.returncode  # A refused handshake is met in sending or receiving.
        return code, head.split(b"\r\n")[0].rstrip(), [UUID.sub(b"UUID", h) for h in headers], body

    def speak(self, port, text, first_line):
        answer = b""
        with socket.create_connection(("127.0.0.1", port), 5) as peer:
            try:
                peer.sendall(text)
                if not first_line:
                    peer.shutdown(socket.SHUT_WR)
                while not (first_line and b"\n" in answer) and (data := peer.recv(65536)):
                    answer += data
            except OSError:
                pass
        return answer.split(b"\n")[0] if first_line else answer


class Parity(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pinnace-parity-")
        cls.addClassCleanup(folder.cleanup)
        cls.certs = folder.name
        make_certs(cls.certs, ["web", "shell", "other"])
        cls.origins = {"origin_a": EchoOrigin("a"), "origin_b": EchoOrigin("b"), "origin_tcp": BannerOrigin(),
                       "origin_tls": EchoOrigin("tls", mutual_tls(cls.certs, "web"))}
        for origin in cls.origins.values():
            cls.addClassCleanup(origin.close)
        cls.add_http2_origin()

    @classmethod
    def add_http2_origin(cls):
        """origin_a behind an Envoy of its own that speaks HTTP/2 without TLS."""
        class Front:
            pass

        listener, Front.port = fixed(http_listener("in", "up"))
        listener["filter_chains"][0]["filters"][0]["typed_config"]["codec_type"] = "HTTP2"
        front = Running([*THEIRS, "--base-id", "77"], json.dumps({"static_resources": {
            "listeners": [listener], "clusters": [cluster("up", cls.origins["origin_a"].port)]}}), Front.port)
        cls.addClassCleanup(front.__exit__)
        cls.origins["origin_h2"] = Front


def compare(name):
    def test(self):
        case = Case(name, self.origins, self.certs)
        theirs, their_log = case.answers(THEIRS)
        ours, our_log = case.answers(OURS)
        for line, mine, other in zip(case.lines, ours, theirs):
            with self.subTest(line):
                self.assertEqual(mine, other)
        with self.subTest("access log"):
            self.assertEqual(our_log, their_log)
    return test


for path in sorted(glob.glob(FOLDER + "/*.yaml")):
    name = os.path.basename(path)[:-len(".yaml")]
    setattr(Parity, "test_" + name, compare(name))


if __name__ == "__main__":
    skip_without_envoy()
    unittest.main()
