// pinnacectl: asks and prepares, verb by verb.
#include <algorithm>
#include <cstdio>

#include <absl/strings/str_cat.h>

#include "common/version.h"
#include "control-plane/ctl/commands.h"

namespace {

constexpr char kHelp[] =
    "pinnacectl VERB [flags]; every verb takes -o table|json\n"
    "  status [--control ADDR]               every proxy and every problem\n"
    "  config dump PROXY [--control ADDR]    what a proxy (part of its id) was sent\n"
    "  validate FILE...                      files or folders; status 1 if one is invalid\n"
    "  inject --pod NAME --ip IP [--namespace NS] [--service-account SA] [--control HOST:PORT]\n"
    "         [--root FILE] [--token-file FILE] [--trust-domain TD] [--label K=V]...\n"
    "         [--admin-port N] [--out FILE]  a proxy's bootstrap; without --root in plaintext\n"
    "  token create --state DIR [--namespace NS] [--service-account SA] [--ttl 24h]\n"
    "  version | completion bash\n"
    "ADDR is the plaintext port of pinnace-control, 127.0.0.1:15010 unless given.\n";

constexpr char kCompletion[] =
    "_pinnacectl() {\n"
    "  local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}\n"
    "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
    "    COMPREPLY=($(compgen -W 'status config validate inject token version completion' -- "
    "\"$word\"))\n"
    "    return\n"
    "  fi\n"
    "  case $verb in\n"
    "    config) COMPREPLY=($(compgen -W 'dump --control -o' -- \"$word\")) ;;\n"
    "    token) COMPREPLY=($(compgen -W 'create --state --namespace --service-account --ttl' -- "
    "\"$word\")) ;;\n"
    "    inject) COMPREPLY=($(compgen -W '--namespace --service-account --pod --ip --control "
    "--root --token-file --label --admin-port --out --trust-domain' -- \"$word\")) ;;\n"
    "    completion) COMPREPLY=($(compgen -W 'bash' -- \"$word\")) ;;\n"
    "    validate) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
    "    *) COMPREPLY=($(compgen -W '--control -o' -- \"$word\")) ;;\n"
    "  esac\n"
    "}\n"
    "complete -o filenames -F _pinnacectl pinnacectl\n";

struct Verb {
  std::vector<std::string> words;
  std::vector<std::string> flags;
  int (*run)(const control::Arguments&);
  bool takes_words = false;
};

int PrintVersion(const control::Arguments& arguments) {
  std::printf(arguments.json() ? "{\"version\":\"%s\"}\n" : "pinnacectl %s\n", pinnace::kVersion);
  return 0;
}

int PrintCompletion(const control::Arguments& arguments) {
  std::fputs(kCompletion, stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> all(argv + 1, argv + argc);
  const std::vector<Verb> verbs = {
      {{"status"}, {"o", "control"}, &control::RunStatus},
      {{"config", "dump"}, {"o", "control"}, &control::RunConfigDump, true},
      {{"validate"}, {"o"}, &control::RunValidate, true},
      {{"inject"},
       {"o", "namespace", "service-account", "pod", "ip", "control", "root", "token-file",
        "trust-domain", "label", "admin-port", "out"},
       &control::RunInject},
      {{"token", "create"},
       {"o", "state", "namespace", "service-account", "ttl"},
       &control::RunTokenCreate},
      {{"version"}, {"o"}, &PrintVersion},
      {{"completion", "bash"}, {"o"}, &PrintCompletion},
  };
  const auto asks_help = [](const std::string& word) { return word == "--help" || word == "-h"; };
  if (std::any_of(all.begin(), all.end(), asks_help) || (!all.empty() && all[0] == "help")) {
    std::fputs(kHelp, stdout);
    return 0;
  }
  if (!all.empty() && all[0] == "--version") return PrintVersion(control::Arguments());
  for (const Verb& verb : verbs) {
    if (all.size() < verb.words.size()) continue;
    const std::vector<std::string> head(all.begin(), all.begin() + verb.words.size());
    if (head != verb.words) continue;
    const auto arguments = control::ParseArguments(
        std::vector<std::string>(all.begin() + verb.words.size(), all.end()), verb.flags);
    if (!arguments.ok()) return control::Complain(arguments.status().message(), 2);
    if (!verb.takes_words && !arguments->words.empty()) {
      return control::Complain(absl::StrCat("unknown argument: ", arguments->words[0]), 2);
    }
    return verb.run(*arguments);
  }
  std::fputs(kHelp, stderr);
  return 2;
}
