#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whether clang-format would change any C file; `./dev format` makes the change.
set -eu

command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 77; }
find gateway media admin config tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run --Werror
