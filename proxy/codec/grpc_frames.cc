// Message prefixes, escapes and status numbers of gRPC.
#include "proxy/codec/grpc_frames.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

constexpr size_t kPrefixBytes = 5;

uint32_t LengthOf(absl::string_view prefix) {
  uint32_t length = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) length = length << 8 | static_cast<uint8_t>(prefix[i]);
  return length;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Errors of one prefix.
absl::Status CheckPrefix(absl::string_view prefix, size_t message_bytes_max) {
  if (prefix[0] == 1) {
    return absl::UnimplementedError("grpc: compressed message; no compression was agreed on");
  }
  if (prefix[0] != 0) {
    return absl::InternalError(absl::StrCat("grpc: flag byte ", static_cast<uint8_t>(prefix[0])));
  }
  const uint32_t length = LengthOf(prefix);
  if (length <= message_bytes_max) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("grpc: message of ", length, " bytes, at most ", message_bytes_max));
}

}  // namespace

absl::Status GrpcFrameReader::Feed(absl::string_view data,
                                   const std::function<void(absl::string_view)>& on_message) {
  while (!data.empty()) {
    if (pending_.empty() && data.size() >= kPrefixBytes) {  // Whole messages need no copy.
      const absl::Status status = CheckPrefix(data, message_bytes_max_);
      if (!status.ok()) return status;
      const size_t whole = kPrefixBytes + LengthOf(data);
      if (data.size() >= whole) {
        on_message(data.substr(kPrefixBytes, whole - kPrefixBytes));
        data.remove_prefix(whole);
        continue;
      }
    }
    const bool had_prefix = pending_.size() >= kPrefixBytes;
    const size_t wanted = had_prefix ? kPrefixBytes + LengthOf(pending_) : kPrefixBytes;
    const size_t taken = std::min(data.size(), wanted - pending_.size());
    pending_.append(data.data(), taken);
    data.remove_prefix(taken);
    if (pending_.size() < kPrefixBytes) return absl::OkStatus();
    if (!had_prefix) {
      const absl::Status status = CheckPrefix(pending_, message_bytes_max_);
      if (!status.ok()) return status;
    }
    if (pending_.size() == kPrefixBytes + LengthOf(pending_)) {
      on_message(absl::string_view(pending_).substr(kPrefixBytes));
      pending_.clear();
    }
  }
  return absl::OkStatus();
}

std::string GrpcFrame(absl::string_view message) {
  const auto length = static_cast<uint32_t>(message.size());
  const char prefix[kPrefixBytes] = {0, static_cast<char>(length >> 24),
                                     static_cast<char>(length >> 16),
                                     static_cast<char>(length >> 8), static_cast<char>(length)};
  return absl::StrCat(absl::string_view(prefix, kPrefixBytes), message);
}

std::string GrpcPercentEncode(absl::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 15]);
    }
  }
  return out;
}

std::string GrpcPercentDecode(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    if (low < 0) {
      out.push_back(text[i]);
      continue;
    }
    out.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return out;
}

int GrpcStatusOfHttp(int http_status) {
  switch (http_status) {
    case 400: return 13;  // INTERNAL
    case 401: return 16;  // UNAUTHENTICATED
    case 403: return 7;   // PERMISSION_DENIED
    case 404: return 12;  // UNIMPLEMENTED
    case 429:
    case 502:
    case 503:
    case 504: return 14;  // UNAVAILABLE
    default: return 2;    // UNKNOWN
  }
}

}  // namespace proxy
