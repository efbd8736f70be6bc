"""The main job: the demo's story holds, word by word, and leaves nothing behind."""
import os
import re
import signal
import subprocess
import sys
import unittest


class Demo(unittest.TestCase):
    def test_the_story_holds(self):
        program = os.path.join(os.environ["PINNACE_SOURCE"], "tools/lib/demo.py")
        run = subprocess.Popen(["/usr/bin/python3", "-B", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
        story, _ = run.communicate(timeout=200)
        self.assertEqual(run.returncode, 0, story)
        self.assertIn("(weight 90 -> 0): {'web-2': 100}", story)
        self.assertEqual(story.count("called by spiffe://cluster.local/ns/shop/sa/shell"), 4, story)
        self.assertRegex(story, r"of 16 requests at once, ([1-9]|1[0-5]) got 503")
        self.assertRegex(story, r"invalid edit leaves the mesh as it was: 200 \n +traffic.yaml:\d+: .*maxRequests")
        self.assertEqual(len(re.findall(r" SYNCED ", story)), 25, story)
        self.assert_nothing_is_left(run)

    def assert_nothing_is_left(self, run):
        left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
        self.assertNotIn(f"pinnace-{run.pid}-", left)
        # The namespaces' processes carry the mesh's folder, or the namespace, in their command lines.
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{number}/cmdline") as file:
                    self.assertNotIn(f"pinnace-{run.pid}-", file.read())
            except OSError:
                pass

    def end_kept(self, number, code):
        program = os.path.join(os.environ["PINNACE_SOURCE"], "tools/lib/demo.py")
        with subprocess.Popen(["/usr/bin/python3", "-B", program, "--keep"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) as run:
            for line in run.stdout:
                if "it runs on" in line:
                    break
            self.assertIsNone(run.poll())
            run.send_signal(number)
            rest, _ = run.communicate(timeout=60)
            self.assertEqual(run.returncode, code, rest)
        self.assertNotIn("Traceback", rest)
        self.assert_nothing_is_left(run)

    def test_kept_running_it_ends_cleanly_on_ctrl_c(self):
        self.end_kept(signal.SIGINT, 130)

    def test_kept_running_it_ends_cleanly_on_sigterm(self):
        self.end_kept(signal.SIGTERM, 1)

    def test_cut_short_it_leaves_nothing_behind(self):
        program = os.path.join(os.environ["PINNACE_SOURCE"], "tools/lib/demo.py")
        with subprocess.Popen(["/usr/bin/python3", "-B", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True) as run:
            run.stdout.readline()
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=60)
        self.assertEqual(run.returncode, 130)
        self.assert_nothing_is_left(run)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIPPED: network namespaces need root; run as root")
        sys.exit(77)
    unittest.main()
