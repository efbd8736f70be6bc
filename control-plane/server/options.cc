// Reads flags.
#include "control-plane/server/options.h"

#include <map>

#include <absl/strings/str_cat.h>

namespace control {

const char kHelp[] =
    "pinnace-control --config DIR [flags]\n"
    "  --config DIR            folder of YAML documents, watched\n"
    "  --state DIR             folder for the CA's root and the token key (state)\n"
    "  --trust-domain TD       SPIFFE trust domain (cluster.local)\n"
    "  --xds-address A:P       plaintext port: trusts whoever reaches it (127.0.0.1:15010)\n"
    "  --xds-tls-address A:P   TLS port: wants a token or a client certificate (0.0.0.0:15012)\n"
    "  --dns-name NAME         further name of the TLS port's certificate; may be repeated\n"
    "  --ip-san IP             further address of it; may be repeated\n"
    "  --access-log PATH       where proxies write JSON access logs\n"
    "  --ports-file FILE       gets the open ports as JSON; for ports given as 0\n"
    "  -l LEVEL                trace, debug, info, warning, error or off (info)\n"
    "  --help, --version\n";

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  CommandLine line;
  const std::map<std::string, std::string*> single = {
      {"--config", &line.config_folder},
      {"--state", &line.server.state_folder},
      {"--trust-domain", &line.server.trust_domain},
      {"--xds-address", &line.server.xds_address},
      {"--xds-tls-address", &line.server.xds_tls_address},
      {"--access-log", &line.access_log_path},
      {"--ports-file", &line.ports_file},
      {"-l", &line.log_level},
  };
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string flag = arguments[i];
    if (flag == "--help" || flag == "-h") {
      line.help = true;
      return line;
    }
    if (flag == "--version") {
      line.version = true;
      return line;
    }
    std::string value;
    const size_t equals = flag.find('=');
    const bool joined = equals != std::string::npos;
    if (joined) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    }
    const auto it = single.find(flag);
    const bool name = flag == "--dns-name" || flag == "--ip-san";
    if (it == single.end() && !name) {
      return absl::InvalidArgumentError(absl::StrCat("unknown argument: ", flag));
    }
    if (!joined) {
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(absl::StrCat(flag, ": a value is missing"));
      }
      value = arguments[++i];
    }
    if (name) {
      line.server.names.push_back(value);
    } else {
      *it->second = value;
    }
  }
  if (line.config_folder.empty()) return absl::InvalidArgumentError("--config DIR is missing");
  line.server.config_source = line.config_folder;
  return line;
}

}  // namespace control
