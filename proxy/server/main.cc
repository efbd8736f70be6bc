// pinnace-proxy: reads its arguments and its bootstrap, then serves.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "common/version.h"
#include "proxy/server/proxy_server.h"
#include "proxy/snapshot/yaml_proto.h"

namespace {

constexpr char kHelp[] =
    "usage: pinnace-proxy -c FILE [option...]\n"
    "  -c, --config-path FILE   an Envoy v3 bootstrap, YAML or JSON\n"
    "  --concurrency N          worker threads, 1..1024 (1)\n"
    "  -l, --log-level LEVEL    trace, debug, info, warning, error or off (info)\n"
    "  --mode serve|validate    validate: say what is wrong with FILE, exit 1 if anything is\n"
    "  --ports-file FILE        once serving, write the bound ports as JSON\n"
    "  --state-dir DIR          keep what servers sent there, and begin with it after a restart\n"
    "  --version, --help\n";

int Usage(const std::string& what) {
  std::cerr << "pinnace-proxy: " << what << "\n" << kHelp;
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  proxy::ServerOptions options;
  bool validate = false;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--help" || arg == "-h") {
      std::cout << kHelp;
      return 0;
    }
    if (arg == "--version") {
      std::cout << "pinnace-proxy " << pinnace::kVersion << "\n";
      return 0;
    }
    if (i + 1 >= argc) return Usage(absl::StrCat(arg, ": unknown, or its value is missing"));
    const std::string value = argv[++i];
    if (arg == "-c" || arg == "--config-path") {
      options.config_file = value;
    } else if (arg == "--concurrency") {
      if (!absl::SimpleAtoi(value, &options.concurrency) || options.concurrency < 1 ||
          options.concurrency > 1024) {
        return Usage(absl::StrCat("--concurrency: '", value, "' is not in 1..1024"));
      }
    } else if (arg == "-l" || arg == "--log-level") {
      const auto level = pinnace::ParseLogLevel(value);
      if (!level) return Usage(absl::StrCat("--log-level: '", value, "' is not a level"));
      pinnace::SetLogLevel(*level);
    } else if (arg == "--mode") {
      if (value != "serve" && value != "validate") return Usage("--mode: serve or validate");
      validate = value == "validate";
    } else if (arg == "--ports-file") {
      options.ports_file = value;
    } else if (arg == "--state-dir") {
      options.state_dir = value;
    } else {
      return Usage(absl::StrCat(arg, ": unknown option"));
    }
  }
  if (options.config_file.empty()) return Usage("-c FILE is missing");
  std::ifstream file(options.config_file, std::ios::binary);
  if (!file) return Usage(absl::StrCat("cannot read ", options.config_file));
  std::ostringstream text;
  text << file.rdbuf();
  envoy::config::bootstrap::v3::Bootstrap bootstrap;
  if (absl::Status parsed = proxy::ParseYaml(text.str(), bootstrap); !parsed.ok()) {
    std::cerr << options.config_file << ": " << parsed.message() << "\n";
    return 1;
  }
  proxy::ProxyServer server(options, proxy::KernelNetwork(), pinnace::SystemClock());
  const std::vector<std::string> problems = server.Load(bootstrap);
  for (const std::string& problem : problems) {
    std::cerr << options.config_file << ": " << problem << "\n";
  }
  if (!problems.empty()) return 1;
  if (validate) {
    std::cout << "configuration '" << options.config_file << "' OK\n";
    return 0;
  }
  return server.Run();
}
