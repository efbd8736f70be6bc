#include <catch2/catch.hpp>

#include <absl/strings/match.h>
#include "common/random.h"

#include "proxy/route/route.h"

namespace proxy {
namespace {

RequestHead Get(absl::string_view path, absl::string_view host = "a") {
  RequestHead head;
  head.method = "GET";
  head.path = path;
  head.authority = host;
  return head;
}

VirtualHost HostOf(const char* name, std::vector<std::string> domains) {
  VirtualHost host;
  host.name = name;
  host.domains = std::move(domains);
  return host;
}

}  // namespace

TEST_CASE("route: hosts are found exact first, then by suffix, by prefix, and last by *") {
  const RouteTable table("t",
                         {HostOf("any", {"*"}), HostOf("suffix", {"*.b.com", "*.com"}),
                          HostOf("prefix", {"www.*"}), HostOf("exact", {"www.b.com"})},
                         false, {}, {});
  CHECK(table.FindHost("WWW.b.com")->name == "exact");
  CHECK(table.FindHost("x.b.com")->name == "suffix");
  CHECK(table.FindHost("www.x.org")->name == "prefix");
  CHECK(table.FindHost("x.org")->name == "any");
  CHECK(table.FindHost(".com")->name == "any");  // A wildcard stands for one byte or more.
}

TEST_CASE("route: the first route whose path and headers match is taken") {
  VirtualHost host = HostOf("h", {"*"});
  Route exact;
  exact.name = "exact";
  exact.match = {
      .kind = RouteMatch::Path::kExact, .path = "/a", .regex = {}, .headers = {}, .query = {}};
  exact.match.headers.push_back(
      {.name = "x-v",
       .text = {.kind = TextMatch::Kind::kExact, .text = "2", .regex = {}},
       .range = {}});
  Route segment;
  segment.name = "segment";
  segment.match = {.kind = RouteMatch::Path::kSegmentPrefix,
                   .path = "/a",
                   .regex = {},
                   .headers = {},
                   .query = {}};
  host.routes = {exact, segment};
  RequestHead with = Get("/a?q=1");
  with.headers.Add("x-v", "2");
  CHECK(RouteTable::FindRoute(host, with)->name == "exact");
  CHECK(RouteTable::FindRoute(host, Get("/a/b"))->name == "segment");
  CHECK(RouteTable::FindRoute(host, Get("/a"))->name == "segment");
  CHECK(RouteTable::FindRoute(host, Get("/ab")) == nullptr);
}

TEST_CASE("route: of several values of one header any that matches is enough, also to exclude") {
  VirtualHost host = HostOf("h", {"*"});
  Route route;
  route.match.path = "/";
  route.match.headers.push_back(
      {.name = "role",
       .text = {.kind = TextMatch::Kind::kExact, .text = "user", .regex = {}},
       .range = {}});
  host.routes = {route};
  RequestHead head = Get("/");
  head.headers.Add("role", "admin");
  CHECK(RouteTable::FindRoute(host, head) == nullptr);
  head.headers.Add("role", "user");
  CHECK(RouteTable::FindRoute(host, head) != nullptr);
  host.routes[0].match.headers[0].invert = true;
  CHECK(RouteTable::FindRoute(host, head) == nullptr);
}

TEST_CASE("route: a gRPC match is for gRPC alone, not for gRPC-Web") {
  VirtualHost host = HostOf("h", {"*"});
  Route route;
  route.match.path = "/";
  route.match.grpc_only = true;
  host.routes = {route};
  for (const char* type : {"application/grpc", "application/grpc+proto", "application/grpc;x=1"}) {
    RequestHead head = Get("/");
    head.headers.Add("content-type", type);
    CHECK(RouteTable::FindRoute(host, head) != nullptr);
  }
  RequestHead web = Get("/");
  web.headers.Add("content-type", "application/grpc-web");
  CHECK(RouteTable::FindRoute(host, web) == nullptr);
}

TEST_CASE("route: weighted clusters get their shares") {
  ForwardAction action;
  action.clusters.resize(2);
  action.clusters[0].cluster = "v1";
  action.clusters[0].weight = 90;
  action.clusters[1].cluster = "v2";
  action.clusters[1].weight = 10;
  action.total_weight = 100;
  pinnace::SeededRandom random(3);
  int second = 0;
  for (int i = 0; i < 100000; ++i)
    second += PickCluster(action, random.Next()).cluster == "v2" ? 1 : 0;
  CHECK(second > 9500);
  CHECK(second < 10500);
}

TEST_CASE("route: header edits remove first, then add, set or leave") {
  HeaderEdits edits;
  edits.remove = {"gone"};
  edits.edits = {{"a", "1", HeaderEdits::Edit::Action::kAppend},
                 {"b", "2", HeaderEdits::Edit::Action::kOverwrite},
                 {"c", "3", HeaderEdits::Edit::Action::kOverwriteIfPresent},
                 {"b", "4", HeaderEdits::Edit::Action::kAddIfAbsent}};
  Headers headers;
  headers.Add("gone", "x");
  headers.Add("a", "0");
  headers.Add("b", "0");
  edits.Apply(StreamInfo(), headers);
  CHECK(headers.Find("gone") == nullptr);
  CHECK(headers.Find("b")->value == "2");
  CHECK(headers.Find("c") == nullptr);
  CHECK(headers.size() == 3);
}

TEST_CASE("route: a header edit with operators takes its value from the request, or adds nothing") {
  RequestHead head = Get("/a?b");
  StreamInfo info;
  info.request = &head;
  HeaderEdits edits;
  for (const char* text : {"<%REQ(:path)%>", "%REQ(not-there)%"}) {
    auto format = Format::Parse(text);
    REQUIRE(format.ok());
    edits.edits.push_back({absl::StrContains(text, "path") ? "path" : "none", text,
                           HeaderEdits::Edit::Action::kAppend,
                           std::make_shared<const Format>(*format)});
  }
  Headers headers;
  edits.Apply(info, headers);
  REQUIRE(headers.size() == 1);
  CHECK(headers.begin()->value == "</a?b>");
}

}  // namespace proxy
