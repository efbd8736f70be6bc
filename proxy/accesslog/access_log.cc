// Writing of records.
#include "proxy/accesslog/access_log.h"

namespace proxy {
namespace {

void AppendJsonString(absl::string_view value, std::string& out) {
  out.push_back('"');
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      // Bytes that are not ASCII are escaped one by one, so that the line is valid whatever came.
      static constexpr char kHex[] = "0123456789abcdef";
      out.append("\\u00");
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace

const char kDefaultLogFormat[] =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

bool AccessLog::Write(const StreamInfo& info) const {
  std::string record;
  if (text != nullptr) {
    text->Append(info, record);
  } else {
    record.push_back('{');
    std::string value;
    for (const auto& [key, format] : json) {
      if (record.size() > 1) record.push_back(',');
      AppendJsonString(key, record);
      record.push_back(':');
      value.clear();
      const bool single = format->IsSingle();
      if (single ? !format->AppendBare(info, value) : (format->Append(info, value), false)) {
        record += "null";
      } else if (format->IsNumber()) {
        record += value;
      } else {
        AppendJsonString(value, record);
      }
    }
    record += "}\n";
  }
  return sink->Write(record);
}

}  // namespace proxy
