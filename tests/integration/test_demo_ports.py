"""tools/demo --no-netns: its story holds without root, and it ends cleanly."""
import os
import signal
import subprocess
import unittest

PROGRAM = os.path.join(os.environ["PINNACE_SOURCE"], "tools/lib/demo_ports.py")


class DemoPorts(unittest.TestCase):
    def test_the_story_holds(self):
        run = subprocess.run(["/usr/bin/python3", "-B", PROGRAM], capture_output=True, text=True, timeout=100)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("called by spiffe://cluster.local/ns/shop/sa/shell", run.stdout)
        self.assertIn("another identity gets 503", run.stdout)
        self.assertIn("every process is gone", run.stdout)

    def test_kept_running_it_ends_cleanly(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 1)):
            with subprocess.Popen(["/usr/bin/python3", "-B", PROGRAM, "--keep"], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True) as run:
                for line in run.stdout:
                    if "it runs on" in line:
                        break
                with open(f"/proc/{run.pid}/task/{run.pid}/children") as file:
                    children = file.read().split()
                self.assertEqual(len(children), 3, "one sidecar each")
                run.send_signal(number)
                rest, _ = run.communicate(timeout=60)
            self.assertEqual(run.returncode, code, rest)
            self.assertNotIn("Traceback", rest)
            for child in children:
                self.assertFalse(os.path.exists(f"/proc/{child}"))


if __name__ == "__main__":
    unittest.main()
