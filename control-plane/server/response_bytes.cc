// Writes the resources of a response by hand, so that their bytes are copied once.
#include "control-plane/server/response_bytes.h"

#include <string>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <xxhash.h>

#include "control-plane/ads/delta_stream.h"
#include "control-plane/ads/sotw_stream.h"

namespace control {
namespace {

using google::protobuf::io::CodedOutputStream;

// `resources` is field 2 of both responses; in the delta variant of type Resource {version = 1,
// resource = 2, name = 3}, else Any {type_url = 1, value = 2}.
constexpr uint32_t kField1 = 1 << 3 | 2;
constexpr uint32_t kField2 = 2 << 3 | 2;
constexpr uint32_t kField3 = 3 << 3 | 2;

size_t FieldSize(size_t bytes) {
  return 1 + CodedOutputStream::VarintSize32(static_cast<uint32_t>(bytes)) + bytes;
}

size_t AnySize(const google::protobuf::Any& any) {
  return FieldSize(any.type_url().size()) +
         (any.value().empty() ? 0 : FieldSize(any.value().size()));
}

void WriteText(uint32_t tag, const std::string& text, CodedOutputStream& out) {
  out.WriteTag(tag);
  out.WriteVarint32(static_cast<uint32_t>(text.size()));
  out.WriteString(text);
}

void WriteAny(const google::protobuf::Any& any, CodedOutputStream& out) {
  out.WriteTag(kField2);
  out.WriteVarint32(static_cast<uint32_t>(AnySize(any)));
  WriteText(kField1, any.type_url(), out);
  if (!any.value().empty()) WriteText(kField2, any.value(), out);
}

size_t ResourceSize(const Resource& resource) {
  return FieldSize(resource.version.size()) + FieldSize(AnySize(resource.any)) +
         FieldSize(resource.name.size());
}

void WriteResource(const Resource& resource, CodedOutputStream& out) {
  out.WriteTag(kField2);
  out.WriteVarint32(static_cast<uint32_t>(ResourceSize(resource)));
  WriteText(kField1, resource.version, out);
  WriteAny(resource.any, out);
  WriteText(kField3, resource.name, out);
}

grpc::Slice Serialize(StreamState::Variant variant, const std::vector<ResourcePtr>& resources) {
  const bool delta = variant == StreamState::Variant::kDelta;
  size_t bytes = 0;
  for (const ResourcePtr& resource : resources) {
    bytes += FieldSize(delta ? ResourceSize(*resource) : AnySize(resource->any));
  }
  grpc::Slice slice(bytes);
  google::protobuf::io::ArrayOutputStream array(const_cast<uint8_t*>(slice.begin()),
                                                static_cast<int>(bytes));
  CodedOutputStream out(&array);
  for (const ResourcePtr& resource : resources) {
    if (delta) {
      WriteResource(*resource, out);
    } else {
      WriteAny(resource->any, out);
    }
  }
  return slice;
}

}  // namespace

grpc::Slice ResponseBytes::BodyOf(StreamState::Variant variant,
                                  const std::vector<ResourcePtr>& resources) {
  uint64_t key = static_cast<uint64_t>(variant);
  for (const ResourcePtr& resource : resources) {
    const Resource* const address = resource.get();
    key = XXH64(&address, sizeof(address), key);
  }
  {
    const std::lock_guard lock(mutex_);
    const auto it = by_key_.find(key);
    if (it != by_key_.end() && it->second->variant == variant &&
        it->second->resources == resources) {
      kept_.splice(kept_.begin(), kept_, it->second);
      return it->second->bytes;
    }
  }
  grpc::Slice bytes = Serialize(variant, resources);
  if (bytes.size() < kKeptMin || bytes.size() > kKeptBytesMax) return bytes;
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return bytes;
  kept_.push_front({key, variant, resources, bytes});
  by_key_[key] = kept_.begin();
  kept_bytes_ += bytes.size();
  while (kept_bytes_ > kKeptBytesMax) {
    kept_bytes_ -= kept_.back().bytes.size();
    by_key_.erase(kept_.back().key);
    kept_.pop_back();
  }
  return bytes;
}

grpc::ByteBuffer ResponseBytes::Encode(StreamState::Variant variant,
                                       const StreamResponse& response) {
  std::string head;
  if (variant == StreamState::Variant::kDelta) {
    DeltaStream::Head(response).SerializeToString(&head);
  } else {
    SotwStream::Head(response).SerializeToString(&head);
  }
  // Fields may come in any order, and a message may come in parts (protobuf's wire format).
  const grpc::Slice slices[] = {grpc::Slice(head), BodyOf(variant, response.resources)};
  return grpc::ByteBuffer(slices, response.resources.empty() ? 1 : 2);
}

}  // namespace control
