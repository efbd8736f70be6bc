#include <catch2/catch.hpp>

#include "proxy/exchange/rewrite.h"

namespace proxy {
namespace {

std::string Client(bool use_remote, uint32_t hops, std::vector<const char*> fields) {
  HttpConfig config;
  config.use_remote_address = use_remote;
  config.xff_trusted_hops = hops;
  Headers headers;
  for (const char* field : fields) headers.Add("x-forwarded-for", field);
  return ClientAddress(config, headers, *Address::FromIp("9.9.9.9", 1)).ip();
}

}  // namespace

TEST_CASE("client address: at the edge the connection's, or what trusted hops wrote") {
  CHECK(Client(true, 0, {"1.1.1.1"}) == "9.9.9.9");
  CHECK(Client(true, 1, {"1.1.1.1, 2.2.2.2"}) == "2.2.2.2");
  CHECK(Client(true, 2, {"1.1.1.1, 2.2.2.2"}) == "1.1.1.1");
  CHECK(Client(true, 3, {"1.1.1.1, 2.2.2.2"}) == "9.9.9.9");
}

TEST_CASE("client address: inside, the newest entry, over all fields of that name") {
  CHECK(Client(false, 0, {}) == "9.9.9.9");
  CHECK(Client(false, 0, {"1.1.1.1, 2.2.2.2"}) == "2.2.2.2");
  CHECK(Client(false, 0, {"1.1.1.1", "2.2.2.2"}) == "2.2.2.2");
  CHECK(Client(false, 1, {"1.1.1.1", "2.2.2.2"}) == "1.1.1.1");
  CHECK(Client(false, 0, {"2001:db8::1"}) == "2001:db8::1");
  CHECK(Client(false, 0, {"not an address"}) == "9.9.9.9");
  CHECK(Client(false, 0, {""}) == "9.9.9.9");
}

TEST_CASE("grpc message: only printable ASCII stands as it is") {
  CHECK(GrpcMessage("a b") == "a b");
  CHECK(GrpcMessage("100%\n\xc3\xa9") == "100%25%0a%c3%a9");
}

}  // namespace proxy
