// Files of the state folder: secret ones are readable by their owner alone, all are written whole.
#pragma once

#include <sys/types.h>

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

namespace control {

// Creates `folder` (mode 0700) if it is missing. Errors: Unavailable with the system's reason.
absl::Status MakeStateFolder(const std::string& folder);

// Reads a whole file. Errors: NotFound if there is none, Unavailable if it cannot be read.
absl::StatusOr<std::string> ReadStateFile(const std::string& path);

// As ReadStateFile(), for keys. Also FailedPrecondition if group or others may read or write it.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path);

// Puts `content` at `path` so that readers see the old or the new file, never a part; survives a
// crash of the machine. Errors: Unavailable.
absl::Status WriteStateFile(const std::string& path, absl::string_view content, mode_t mode);

// As WriteStateFile(), but keeps a file that is already there. Errors: AlreadyExists.
absl::Status CreateStateFile(const std::string& path, absl::string_view content, mode_t mode);

}  // namespace control
