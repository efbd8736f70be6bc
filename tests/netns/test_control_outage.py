"""The control plane is killed under load: no request fails, and changes arrive when it is back."""
import os
import signal
import sys
import threading
import unittest

SOURCE = os.environ["PINNACE_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "tools/lib"))
from netns_mesh import Mesh, Workload, wait_for

WEB = "http://10.96.0.10/"


class ControlOutage(unittest.TestCase):
    def test_no_request_fails_and_the_next_change_arrives(self):
        web = [Workload("web-1", "10.77.1.11", "web"), Workload("web-2", "10.77.1.12", "web")]
        shell = Workload("shell-1", "10.77.1.10", "shell")
        with Mesh(os.path.join(os.environ["PINNACE_BIN"], "pinnace-proxy"), [*web, shell],
                  policies=os.path.join(SOURCE, "deploy/examples/demo")) as mesh:
            for one in web:
                folder = os.path.join(mesh.dir, one.name)
                os.mkdir(folder)
                with open(os.path.join(folder, "index.html"), "w") as file:
                    file.write(one.name)
                mesh.start(one, "/usr/bin/python3", "-m", "http.server", "8080", "--bind", one.ip, cwd=folder)
            wait_for(lambda: {mesh.curl(shell, WEB)[2] for _ in range(20)} == {"web-1", "web-2"}, 60)

            stop, answers = threading.Event(), []

            def load():
                while not stop.is_set() and len(answers) < 5000:
                    answers.append(mesh.curl(shell, WEB)[1])

            thread = threading.Thread(target=load)
            thread.start()
            try:
                wait_for(lambda: len(answers) > 20)
                mesh.control.send_signal(signal.SIGKILL)
                mesh.control.wait()
                killed_at = len(answers)
                wait_for(lambda: len(answers) > killed_at + 50, 30)
                path = os.path.join(mesh.policies, "route.yaml")
                with open(path) as file:
                    text = file.read().replace("weight: 90", "weight: 0")
                with open(path, "w") as file:
                    file.write(text)
                mesh.start_control()
                # Sidecars come back with backoff and jitter, at most 30 seconds apart.
                wait_for(lambda: {mesh.curl(shell, WEB)[2] for _ in range(10)} == {"web-2"}, 90)
            finally:
                stop.set()
                thread.join()
            self.assertEqual(set(answers), {200}, f"of {len(answers)}")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIPPED: network namespaces need root; run as root")
        sys.exit(77)
    unittest.main()
