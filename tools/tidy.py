#!/usr/bin/env python3
"""Checks what a compiler does not: the direction of includes, lengths, first comments.

usage: tools/tidy.py      exit 1 and one line a finding if anything falls short
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 500
HEADER_LINES_MAX = 250
COLUMNS_MAX = 100
FORMATTER = "clang-format-14"


def folders(cmake, variable):
    with open(os.path.join(ROOT, cmake)) as file:
        return re.search(r"set\(%s ([^)]*)\)" % variable, file.read())[1].split()


def unformatted(files):
    """Files that clang-format would change, one finding each."""
    if shutil.which(FORMATTER) is None:
        return [f"{FORMATTER} is not installed: tools/check installs it"]
    run = subprocess.run([FORMATTER, "--dry-run", "--ferror-limit=1", *files], cwd=ROOT,
                         capture_output=True, text=True)
    return sorted({f"{os.path.relpath(line.split(':')[0], ROOT)}: not formatted; run {FORMATTER} -i"
                   for line in run.stderr.splitlines() if "clang-format-violations" in line})


def main():
    order = {"proxy": folders("proxy/CMakeLists.txt", "PROXY_FOLDERS"),
             "control-plane": [*folders("control-plane/CMakeLists.txt", "CONTROL_FOLDERS"), "ctl"]}
    found = []
    listed = subprocess.run(["git", "ls-files", "*.cc", "*.h"], cwd=ROOT, capture_output=True,
                            text=True).stdout.split()
    files = [path for path in listed if os.path.exists(os.path.join(ROOT, path))]
    found += unformatted(files)
    for path in files:
        with open(os.path.join(ROOT, path)) as file:
            lines = file.read().splitlines()
        most = HEADER_LINES_MAX if path.endswith(".h") else FILE_LINES_MAX
        if len(lines) > most:
            found.append(f"{path}: {len(lines)} lines, at most {most}")
        if not path.startswith("tests/") and not lines[0].startswith("// "):
            found.append(f"{path}:1: the first line must say what the file is for")
        parts = path.split("/")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX and not path.startswith("tests/"):
                found.append(f"{path}:{number}: {len(line)} columns, at most {COLUMNS_MAX}")
            include = re.match(r'#include "(proxy|control-plane)/(\w+)/', line)
            if include and parts[0] in order:
                side, folder = include.groups()
                if side != parts[0]:
                    found.append(f"{path}:{number}: {parts[0]} may not include {side}")
                elif order[side].index(folder) > order[side].index(parts[1]):
                    found.append(f"{path}:{number}: {parts[1]} stands above {folder}")
    print("\n".join(found) if found else "tidy: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
