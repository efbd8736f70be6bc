"""Configuration from watched files: every type by path_config_source, replaced by rename."""
import unittest

from xds_mesh import *


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.origins = [NamedOrigin(name) for name in "ab"]
        for origin in self.origins:
            self.addCleanup(origin.close)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, *resources):
        with open(self.path(name + ".new"), "w") as file:
            json.dump({"resources": resources}, file)
        os.rename(self.path(name + ".new"), self.path(name))

    def source(self, name):
        return {"path_config_source": {"path": self.path(name)}, "resource_api_version": "V3"}

    def start(self):
        listener = rds_listener("in", "r")
        listener["filter_chains"][0]["filters"][0]["typed_config"]["rds"]["config_source"] = self.source("rds")
        by_file = {"eds_cluster_config": {"eds_config": self.source("eds")}}
        self.write("cds", {**eds_cluster("a"), **by_file}, {**eds_cluster("b"), **by_file})
        self.write("eds", *(endpoints(name, origin.port) for name, origin in zip("ab", self.origins)))
        self.write("rds", routes("r", "a"), routes("unused", "b"))
        self.write("lds", listener)
        proxy = XdsProxy([], {"lds_config": self.source("lds"), "cds_config": self.source("cds")})
        self.addCleanup(proxy.close)
        return proxy

    def test_each_file_is_obeyed_and_watched(self):
        proxy = self.start()
        port = proxy.port("in")
        self.assertEqual(request(port)[2], b"a")
        self.write("rds", routes("r", "b"))
        wait_for(lambda: request(port)[2] == b"b")
        self.write("eds", endpoints("b", self.origins[0].port))
        wait_for(lambda: request(port)[2] == b"a")
        self.write("cds")
        wait_for(lambda: request(port)[0] == 503)

    def test_a_broken_file_leaves_what_was_good(self):
        proxy = self.start()
        port = proxy.port("in")
        with open(self.path("rds"), "w") as file:
            file.write("{resources: [nonsense")
        self.write("cds", {**eds_cluster("a"), "lb_policy": "LEAST_REQUEST",
                           "least_request_lb_config": {"choice_count": 1}})
        wait_for(lambda: proxy.stat("cluster_manager.cds.update_rejected") == 1)
        self.assertEqual(request(port)[2], b"a")
        self.write("rds", routes("r", "nowhere"))
        wait_for(lambda: request(port)[0] == 503)

    def test_a_source_that_is_not_supported_is_named_at_the_start(self):
        with self.assertRaisesRegex(AssertionError, "api_type: only GRPC and DELTA_GRPC"):
            XdsProxy([], {"cds_config": {"api_config_source": {"api_type": "REST"}}})
        with self.assertRaisesRegex(AssertionError, "no ads_config"):
            XdsProxy([], {"cds_config": ads()})


if __name__ == "__main__":
    unittest.main()
