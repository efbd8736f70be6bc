// The application log: one line an event, on standard error.
#pragma once

#include <absl/strings/string_view.h>
#include <optional>

namespace pinnace {

enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError, kOff };

// Reads "trace", "debug", "info", "warning" (or "warn"), "error", "critical" or "off".
std::optional<LogLevel> ParseLogLevel(absl::string_view name);
absl::string_view LogLevelName(LogLevel level);

// The process's threshold, kInfo at start. Any thread.
void SetLogLevel(LogLevel level);
LogLevel GetLogLevel();
inline bool LogEnabled(LogLevel level) { return level >= GetLogLevel(); }

// Writes "2026-11-24T20:52:32.123Z info xds: message\n" in one write(2), so that lines of several
// threads never mix. Control bytes in `message` are escaped. Any thread; blocks as stderr does.
void Log(LogLevel level, absl::string_view component, absl::string_view message);

inline void LogDebug(absl::string_view component, absl::string_view message) {
  if (LogEnabled(LogLevel::kDebug)) Log(LogLevel::kDebug, component, message);
}
inline void LogInfo(absl::string_view component, absl::string_view message) {
  if (LogEnabled(LogLevel::kInfo)) Log(LogLevel::kInfo, component, message);
}
inline void LogWarning(absl::string_view component, absl::string_view message) {
  if (LogEnabled(LogLevel::kWarning)) Log(LogLevel::kWarning, component, message);
}
inline void LogError(absl::string_view component, absl::string_view message) {
  if (LogEnabled(LogLevel::kError)) Log(LogLevel::kError, component, message);
}

// Says why an invariant is broken and ends the process.
[[noreturn]] void Die(const char* file, int line, const char* condition, absl::string_view values);

}  // namespace pinnace

// An invariant: `values` is text that names the values at fault.
#define PINNACE_CHECK(condition, values)                                        \
  do {                                                                          \
    if (!(condition)) ::pinnace::Die(__FILE__, __LINE__, #condition, (values)); \
  } while (false)
