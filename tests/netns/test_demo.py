"""The main job: the demo's story holds, word by word, and leaves nothing behind."""
import os
import re
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
        left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
        self.assertNotIn(f"pinnace-{run.pid}-", left)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIPPED: network namespaces need root; run as root")
        sys.exit(77)
    unittest.main()
