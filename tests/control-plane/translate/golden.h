// Golden cases: documents in, resources out.
#pragma once

#include <string>
#include <vector>

#include "control-plane/model/proxy_node.h"
#include "control-plane/model/resource.h"
#include "control-plane/sources/load.h"

namespace control {

// The whole text of a file; fails the test if it cannot be read.
std::string ReadText(const std::string& path);

// The mesh of one text, with a fixed root certificate.
Loaded LoadText(const std::string& text);

// As LoadText(); fails the test if there is any problem.
Loaded LoadGood(const std::string& text);

// The resources as JSON, by type ("Listener") and name, in a fixed order. `types` chooses; empty:
// all.
std::string ToJson(const ResourceSet& resources, const std::vector<std::string>& types);

// One resource as JSON; "" if there is none.
std::string ResourceJson(const ResourceSet& resources, const char* type_url,
                         const std::string& name);

// Parses the resource with this name; an empty message if there is none.
template <typename Message>
Message Get(const ResourceSet& resources, const char* type_url, const std::string& name) {
  Message message;
  const auto type = resources.find(type_url);
  if (type == resources.end()) return message;
  const auto it = type->second.find(name);
  if (it != type->second.end()) message.ParseFromString(it->second->any.value());
  return message;
}

}  // namespace control
