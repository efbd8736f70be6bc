// The command line of pinnace-control.
#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "control-plane/server/control_server.h"

namespace control {

struct CommandLine {
  ServerOptions server;
  std::string config_folder;
  std::string access_log_path;  // Where proxies write access logs; empty: nowhere.
  std::string ports_file;       // Gets {"xds":N,"xds_tls":N} once the ports are open.
  std::string log_level = "info";
  bool help = false;
  bool version = false;
};

// Takes "--flag VALUE" and "--flag=VALUE". Errors: InvalidArgument naming the argument.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

extern const char kHelp[];

}  // namespace control
