// pinnace-control: a folder of YAML in, xDS and certificates out.
#include <signal.h>

#include <cstdio>

#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "common/version.h"
#include "control-plane/ca/state_files.h"
#include "control-plane/server/control_server.h"
#include "control-plane/server/options.h"
#include "control-plane/sources/folder.h"

namespace {

int Fail(const absl::Status& status) {
  pinnace::LogError("server", status.message());
  return 1;
}

// Blocks SIGINT and SIGTERM here and in every thread that begins later.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

int Serve(const control::CommandLine& line) {
  const sigset_t signals = BlockSignals();
  auto server = control::ControlServer::Start(line.server, pinnace::SystemClock());
  if (!server.ok()) return Fail(server.status());
  control::Hub& hub = (*server)->hub();
  control::FolderSource::Options options;
  options.directory = line.config_folder;
  options.settings.trust_domain = line.server.trust_domain;
  options.settings.root_pem = (*server)->authority().root_pem();
  options.settings.access_log_path = line.access_log_path;
  auto source = control::FolderSource::Start(std::move(options),
                                             [&hub](std::shared_ptr<const control::Mesh> mesh,
                                                    std::vector<control::ConfigProblem> problems) {
                                               hub.SetMesh(std::move(mesh), std::move(problems));
                                             });
  if (!source.ok()) return Fail(source.status());
  const std::string ports = absl::StrCat("{\"xds\":", (*server)->xds_port(),
                                         ",\"xds_tls\":", (*server)->xds_tls_port(), "}");
  if (!line.ports_file.empty()) {
    const absl::Status written = control::WriteStateFile(line.ports_file, ports, 0644);
    if (!written.ok()) return Fail(written);
  }
  pinnace::LogInfo("server", absl::StrCat("serving ", line.config_folder, " on ports ", ports));
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  pinnace::LogInfo("server", "stopping");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  auto line = control::ParseCommandLine(std::vector<std::string>(argv + 1, argv + argc));
  if (!line.ok()) {
    std::fprintf(stderr, "pinnace-control: %s\n%s", std::string(line.status().message()).c_str(),
                 control::kHelp);
    return 2;
  }
  if (line->help) {
    std::fputs(control::kHelp, stdout);
    return 0;
  }
  if (line->version) {
    std::printf("pinnace-control %s\n", pinnace::kVersion);
    return 0;
  }
  const auto level = pinnace::ParseLogLevel(line->log_level);
  if (!level.has_value()) return Fail(absl::InvalidArgumentError("-l: not a level"));
  pinnace::SetLogLevel(*level);
  return Serve(*line);
}
