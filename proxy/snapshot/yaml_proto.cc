// Walks a YAML tree along a message's descriptor.
#include "proxy/snapshot/yaml_proto.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/time_util.h>
#include <yaml-cpp/yaml.h>

#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "proxy/snapshot/extensions.h"

namespace proxy {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kDepthMax = 64;
constexpr size_t kTextBytesMax = 64 * 1024 * 1024;

class Reader {
 public:
  absl::Status ReadMessage(const YAML::Node& node, Message& message, const std::string& path,
                           int depth);

 private:
  absl::Status Error(const YAML::Node& node, const std::string& path, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("line ", node.Mark().line + 1, ": ",
                                                   path.empty() ? "document" : path, ": ", what));
  }
  absl::Status ReadField(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                         const std::string& path, int depth);
  absl::Status ReadMap(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                       const std::string& path, int depth);
  absl::Status ReadScalar(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                          const std::string& path);
  absl::Status ReadAny(const YAML::Node& node, Message& message, const std::string& path,
                       int depth);
  absl::Status ReadValue(const YAML::Node& node, google::protobuf::Value& value,
                         const std::string& path, int depth);
  absl::Status ReadStruct(const YAML::Node& node, google::protobuf::Struct& value,
                          const std::string& path, int depth);
};

const FieldDescriptor* FindField(const Descriptor& type, const std::string& name) {
  if (const FieldDescriptor* field = type.FindFieldByName(name)) return field;
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->json_name() == name) return type.field(i);
  }
  return nullptr;
}

absl::Status Reader::ReadMessage(const YAML::Node& node, Message& message, const std::string& path,
                                 int depth) {
  if (depth > kDepthMax) return Error(node, path, absl::StrCat("nested deeper than ", kDepthMax));
  const Descriptor& type = *message.GetDescriptor();
  const std::string& name = type.full_name();
  if (name == "google.protobuf.Duration") {
    google::protobuf::Duration duration;
    if (!node.IsScalar() ||
        !google::protobuf::util::TimeUtil::FromString(node.Scalar(), &duration)) {
      return Error(node, path, "a duration is a number of seconds with an 's', as \"1.5s\"");
    }
    message.CopyFrom(duration);
    return absl::OkStatus();
  }
  if (name == "google.protobuf.Any") return ReadAny(node, message, path, depth);
  if (name == "google.protobuf.Struct") {
    return ReadStruct(node, static_cast<google::protobuf::Struct&>(message), path, depth);
  }
  if (name == "google.protobuf.Value") {
    return ReadValue(node, static_cast<google::protobuf::Value&>(message), path, depth);
  }
  if (absl::StartsWith(name, "google.protobuf.") && absl::EndsWith(name, "Value")) {
    return ReadScalar(node, message, *type.FindFieldByName("value"), path);
  }
  if (node.IsNull()) return absl::OkStatus();
  if (!node.IsMap()) return Error(node, path, absl::StrCat("must be a map of ", name));
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    const std::string inner = path.empty() ? key : absl::StrCat(path, ".", key);
    const FieldDescriptor* field = FindField(type, key);
    if (field == nullptr) {
      return Error(entry.first, inner, absl::StrCat("no such field in ", name));
    }
    if (entry.second.IsNull()) {
      // An empty message may be written as nothing at all.
      if (field->message_type() == nullptr || field->is_repeated()) continue;
      message.GetReflection()->MutableMessage(&message, field);
      continue;
    }
    if (field->containing_oneof() != nullptr &&
        message.GetReflection()->HasOneof(message, field->containing_oneof())) {
      return Error(
          entry.first, inner,
          absl::StrCat("only one of '", field->containing_oneof()->name(), "' may be set"));
    }
    if (absl::Status status = ReadField(entry.second, message, *field, inner, depth);
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadField(const YAML::Node& node, Message& message,
                               const FieldDescriptor& field, const std::string& path, int depth) {
  const auto* reflection = message.GetReflection();
  if (field.is_map()) return ReadMap(node, message, field, path, depth);
  if (!field.is_repeated()) {
    if (field.message_type() == nullptr) return ReadScalar(node, message, field, path);
    return ReadMessage(node, *reflection->MutableMessage(&message, &field), path, depth + 1);
  }
  if (!node.IsSequence()) return Error(node, path, "must be a list");
  for (size_t i = 0; i < node.size(); ++i) {
    const std::string inner = absl::StrCat(path, "[", i, "]");
    const absl::Status status =
        field.message_type() == nullptr
            ? ReadScalar(node[i], message, field, inner)
            : ReadMessage(node[i], *reflection->AddMessage(&message, &field), inner, depth + 1);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadMap(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                             const std::string& path, int depth) {
  if (!node.IsMap()) return Error(node, path, "must be a map");
  const Descriptor& entry_type = *field.message_type();
  for (const auto& entry : node) {
    Message& item = *message.GetReflection()->AddMessage(&message, &field);
    const std::string inner = absl::StrCat(path, "[\"", entry.first.Scalar(), "\"]");
    if (absl::Status s = ReadScalar(entry.first, item, *entry_type.FindFieldByName("key"), inner);
        !s.ok()) {
      return s;
    }
    if (absl::Status s =
            ReadField(entry.second, item, *entry_type.FindFieldByName("value"), inner, depth);
        !s.ok()) {
      return s;
    }
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadScalar(const YAML::Node& node, Message& message,
                                const FieldDescriptor& field, const std::string& path) {
  if (!node.IsScalar()) return Error(node, path, "must be a single value");
  const std::string& text = node.Scalar();
  const auto* r = message.GetReflection();
  const bool many = field.is_repeated();
  // SetX or AddX, by whether the field is a list.
  const auto put = [&](auto set, auto add, auto value) {
    many ? (r->*add)(&message, &field, value) : (r->*set)(&message, &field, value);
    return absl::OkStatus();
  };
  using R = google::protobuf::Reflection;
  const auto wrong = [&](absl::string_view kind) {
    return Error(node, path, absl::StrCat("'", text, "' is not ", kind));
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return wrong("true or false");
      return put(&R::SetBool, &R::AddBool, text == "true");
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) return wrong("a 32-bit whole number");
      return put(&R::SetInt32, &R::AddInt32, value);
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) return wrong("a whole number from 0 to 4294967295");
      return put(&R::SetUInt32, &R::AddUInt32, value);
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) return wrong("a 64-bit whole number");
      return put(&R::SetInt64, &R::AddInt64, value);
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      uint64_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) return wrong("a whole number, not negative");
      return put(&R::SetUInt64, &R::AddUInt64, value);
    }
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT: {
      double value = 0;
      if (!absl::SimpleAtod(text, &value)) return wrong("a number");
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
        return put(&R::SetFloat, &R::AddFloat, static_cast<float>(value));
      }
      return put(&R::SetDouble, &R::AddDouble, value);
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = field.enum_type()->FindValueByName(text);
      int number = 0;
      if (value == nullptr && absl::SimpleAtoi(text, &number)) {
        value = field.enum_type()->FindValueByNumber(number);
      }
      if (value == nullptr)
        return wrong(absl::StrCat("a value of ", field.enum_type()->full_name()));
      return put(&R::SetEnum, &R::AddEnum, value);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string value = text;
      if (field.type() == FieldDescriptor::TYPE_BYTES && !absl::Base64Unescape(text, &value)) {
        return wrong("base64");
      }
      return put(&R::SetString, &R::AddString, value);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: break;
  }
  return wrong("of a known type");
}

absl::Status Reader::ReadAny(const YAML::Node& node, Message& message, const std::string& path,
                             int depth) {
  if (!node.IsMap() || !node["@type"]) return Error(node, path, "needs \"@type\"");
  const std::string url = node["@type"].Scalar();
  const std::string name = url.substr(url.rfind('/') + 1);
  const Message* type = FindExtension(name);
  if (type == nullptr) {
    return Error(node["@type"], path, absl::StrCat("type ", name, " is not supported"));
  }
  std::unique_ptr<Message> inner(type->New());
  YAML::Node rest(YAML::NodeType::Map);
  for (const auto& entry : node) {
    if (entry.first.Scalar() != "@type") rest.force_insert(entry.first, entry.second);
  }
  if (absl::Status status = ReadMessage(rest, *inner, path, depth + 1); !status.ok()) return status;
  auto& any = static_cast<google::protobuf::Any&>(message);
  any.set_type_url(absl::StrCat("type.googleapis.com/", name));
  any.set_value(inner->SerializeAsString());
  return absl::OkStatus();
}

absl::Status Reader::ReadStruct(const YAML::Node& node, google::protobuf::Struct& value,
                                const std::string& path, int depth) {
  if (!node.IsMap()) return Error(node, path, "must be a map");
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    const absl::Status status = ReadValue(entry.second, (*value.mutable_fields())[key],
                                          absl::StrCat(path, ".", key), depth + 1);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadValue(const YAML::Node& node, google::protobuf::Value& value,
                               const std::string& path, int depth) {
  if (depth > kDepthMax) return Error(node, path, absl::StrCat("nested deeper than ", kDepthMax));
  if (node.IsNull()) {
    value.set_null_value(google::protobuf::NULL_VALUE);
  } else if (node.IsMap()) {
    return ReadStruct(node, *value.mutable_struct_value(), path, depth);
  } else if (node.IsSequence()) {
    value.mutable_list_value();
    for (const auto& one : node) {
      const absl::Status status =
          ReadValue(one, *value.mutable_list_value()->add_values(), path, depth + 1);
      if (!status.ok()) return status;
    }
  } else {
    double number = 0;
    const std::string& text = node.Scalar();
    const bool quoted = node.Tag() == "!";
    if (!quoted && (text == "true" || text == "false")) {
      value.set_bool_value(text == "true");
    } else if (!quoted && absl::SimpleAtod(text, &number)) {
      value.set_number_value(number);
    } else {
      value.set_string_value(text);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseYaml(const std::string& text, Message& message) {
  if (text.size() > kTextBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("longer than ", kTextBytesMax, " bytes"));
  }
  try {  // yaml-cpp reports by exceptions; none leaves this function.
    const YAML::Node root = YAML::Load(text);
    return Reader().ReadMessage(root, message, "", 0);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("line ", error.mark.line + 1, ": ", error.msg));
  }
}

}  // namespace proxy
