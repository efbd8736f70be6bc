// Base64 in pieces, and the trailer frame.
#include "proxy/codec/grpc_web.h"

#include <algorithm>
#include <cstring>

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

constexpr size_t kPrefixBytes = 5;
constexpr char kTrailerFlag = static_cast<char>(0x80);

void AppendBase64(absl::string_view bytes, std::string& out) { out += absl::Base64Escape(bytes); }

}  // namespace

bool GrpcTextDecoder::Feed(absl::string_view text, std::string& out) {
  std::string bytes;
  for (const char c : text) {
    group_[have_++] = c;
    if (have_ < sizeof(group_)) continue;
    have_ = 0;
    if (!absl::Base64Unescape(absl::string_view(group_, sizeof(group_)), &bytes)) return false;
    out += bytes;
  }
  return true;
}

void GrpcTextEncoder::Feed(absl::string_view data, std::string& out) {
  while (!data.empty()) {
    size_t taken = 0;
    if (prefix_bytes_ < kPrefixBytes) {
      taken = std::min(kPrefixBytes - prefix_bytes_, data.size());
      for (size_t i = 0; i < taken; ++i) prefix_ = prefix_ << 8 | static_cast<uint8_t>(data[i]);
      prefix_bytes_ += taken;
      if (prefix_bytes_ == kPrefixBytes) message_left_ = prefix_;
    } else {
      taken = std::min<size_t>(message_left_, data.size());
      message_left_ -= static_cast<uint32_t>(taken);
    }
    Encode(data.substr(0, taken), out);
    data.remove_prefix(taken);
    if (prefix_bytes_ == kPrefixBytes && message_left_ == 0) {
      Flush(out);
      prefix_bytes_ = 0;
    }
  }
}

// Whole groups of three go out, the rest is held.
void GrpcTextEncoder::Encode(absl::string_view data, std::string& out) {
  while (have_ > 0 && !data.empty()) {
    const char group[3] = {held_[0], have_ == 2 ? held_[1] : data[0],
                           have_ == 2 || data.size() < 2 ? data[0] : data[1]};
    const size_t wanted = sizeof(group) - have_;
    if (data.size() < wanted) break;
    AppendBase64(absl::string_view(group, sizeof(group)), out);
    data.remove_prefix(wanted);
    have_ = 0;
  }
  const size_t rest = have_ > 0 ? data.size() : data.size() % 3;
  if (data.size() > rest) AppendBase64(data.substr(0, data.size() - rest), out);
  data.remove_prefix(data.size() - rest);
  for (const char c : data) held_[have_++] = c;
}

void GrpcTextEncoder::Flush(std::string& out) {
  if (have_ == 0) return;
  AppendBase64(absl::string_view(held_, have_), out);
  have_ = 0;
}

std::string GrpcTrailerFrame(const Headers& trailers) {
  std::string lines;
  for (const Header& one : trailers) absl::StrAppend(&lines, one.name, ":", one.value, "\r\n");
  const auto length = static_cast<uint32_t>(lines.size());
  const char prefix[kPrefixBytes] = {kTrailerFlag, static_cast<char>(length >> 24),
                                     static_cast<char>(length >> 16),
                                     static_cast<char>(length >> 8), static_cast<char>(length)};
  return absl::StrCat(absl::string_view(prefix, kPrefixBytes), lines);
}

}  // namespace proxy
