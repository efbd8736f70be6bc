"""pinnace-control and pinnacectl as programs: start, status, problems, tokens, restart."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

BIN = os.environ["PINNACE_BIN"]
SOURCE = os.environ["PINNACE_SOURCE"]


def until(check, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("not in time")


class ControlTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = self.folder.name
        self.config = os.path.join(self.path, "config")
        os.mkdir(self.config)
        self.start()

    def start(self):
        ports = os.path.join(self.path, "ports.json")
        if os.path.exists(ports):
            os.unlink(ports)
        log = open(os.path.join(self.path, "log"), "ab")
        self.addCleanup(log.close)
        self.process = subprocess.Popen(
            [BIN + "/pinnace-control", "--config", self.config, "--state", self.path + "/state",
             "--xds-address", "127.0.0.1:0", "--xds-tls-address", "127.0.0.1:0",
             "--ports-file", ports], stderr=log)
        self.addCleanup(self.stop)
        until(lambda: os.path.exists(ports))
        with open(ports) as file:
            self.ports = json.load(file)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.assertEqual(self.process.wait(10), 0)

    def ctl(self, *arguments, code=0):
        done = subprocess.run([BIN + "/pinnacectl", *arguments], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def status(self):
        return json.loads(self.ctl("status", "-o", "json", "--control",
                                   "127.0.0.1:%d" % self.ports["xds"]))

    def test_an_invalid_document_is_named_in_status(self):
        path = self.config + "/bad.yaml"
        with open(path, "w") as file:
            file.write("apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: b}\n"
                       "spec: {nonsense: true}\n")
        problems = until(lambda: self.status().get("problems"))
        self.assertIn("bad.yaml", problems[0]["file"])
        self.ctl("validate", path, code=1)

    def test_the_root_and_tokens_survive_a_restart(self):
        with open(self.path + "/state/root.pem") as file:
            before = file.read()
        self.assertEqual(os.stat(self.path + "/state/root.key").st_mode & 0o777, 0o600)
        self.stop()
        self.start()
        with open(self.path + "/state/root.pem") as file:
            self.assertEqual(file.read(), before)
        self.assertTrue(self.ctl("token", "create", "--state", self.path + "/state",
                                 "--namespace", "a", "--service-account", "b"))

    def test_inject_prints_a_bootstrap(self):
        out = json.loads(self.ctl(
            "inject", "--pod", "p", "--namespace", "n", "--ip", "10.0.0.1", "--label", "app=x",
            "--root", "/r.pem", "--token-file", "/t", "--control", "control:15012"))
        self.assertEqual(out["node"]["id"], "sidecar~10.0.0.1~p.n~n.svc.cluster.local")
        self.assertEqual(out["static_resources"]["clusters"][0]["type"], "STRICT_DNS")
        self.assertEqual(out["bootstrap_extensions"][0]["typed_config"]["token_file"], "/t")

    def test_a_token_is_only_made_with_a_key_that_the_control_plane_has(self):
        elsewhere = os.path.join(self.path, "elsewhere")
        self.ctl("token", "create", "--state", elsewhere, code=1)
        self.assertFalse(os.path.exists(elsewhere))

    def test_help_is_there_at_every_verb(self):
        for verb in (["--help"], ["status", "--help"], ["config", "dump", "-h"], ["inject", "--help"]):
            self.assertIn("token create --state DIR", self.ctl(*verb))
        self.assertIn("pinnacectl ", self.ctl("--version"))

    def test_wrong_usage_is_status_2(self):
        self.ctl("inject", code=2)
        self.ctl("status", "surplus", code=2)
        self.ctl("nonsense", code=2)


if __name__ == "__main__":
    unittest.main()
