// Shared bytes are the message that the stream's own serialization would be.
#include "control-plane/server/response_bytes.h"

#include <catch2/catch.hpp>

#include "tests/testing/control/xds_book.h"

using namespace control;

namespace {

std::string Flat(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  buffer.Dump(&slices);
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

StreamResponse Sample(size_t value_bytes) {
  StreamResponse response{.type_url = kClusterType, .nonce = "7", .version = "v"};
  for (const char* name : {"a", "b"}) {
    auto resource = std::make_shared<Resource>();
    resource->name = name;
    resource->version = "1";
    resource->any.set_type_url(kClusterType);
    resource->any.set_value(std::string(value_bytes, 'x'));
    response.resources.push_back(std::move(resource));
  }
  response.removed = {"c", "d"};
  response.not_found = {"d"};
  return response;
}

}  // namespace

TEST_CASE("response bytes: both variants parse to what the streams would have said") {
  ResponseBytes bytes;
  for (const size_t size : {0, 1, 127, 128, 2000, 300'000}) {
    const StreamResponse response = Sample(size);
    for (int again = 0; again < 2; ++again) {
      DeltaStream::Response delta;
      REQUIRE(delta.ParseFromString(Flat(bytes.Encode(StreamState::Variant::kDelta, response))));
      CHECK(delta.SerializeAsString() == DeltaStream::ToProto(response).SerializeAsString());
      SotwStream::Response sotw;
      REQUIRE(sotw.ParseFromString(Flat(bytes.Encode(StreamState::Variant::kSotw, response))));
      CHECK(sotw.SerializeAsString() == SotwStream::ToProto(response).SerializeAsString());
    }
  }
}

TEST_CASE("response bytes: equal resources of two streams are the same bytes in memory") {
  ResponseBytes bytes;
  StreamResponse response = Sample(5000);
  const auto address = [&] {
    std::vector<grpc::Slice> slices;
    bytes.Encode(StreamState::Variant::kDelta, response).Dump(&slices);
    REQUIRE(slices.size() == 2);
    return slices[1].begin();
  };
  const uint8_t* const first = address();
  response.nonce = "8";
  CHECK(address() == first);
  response.resources.pop_back();
  CHECK(address() != first);
}
