#!/usr/bin/env bash
# Installs what is missing, builds with warnings as errors into build-tests/, runs every test.
# Ends with ctest's own summary; the exit code is ctest's. Arguments go to ctest (-R name, -V, ...).
set -euo pipefail
cd "$(dirname "$0")/.."

echo "=== packages"
bash pipeline/install.sh --tests

echo "=== building into build-tests/ (warnings are errors)"
cmake -S . -B build-tests -G Ninja -DCMAKE_BUILD_TYPE=Release -DATM_WERROR=ON >/dev/null
cmake --build build-tests

echo "=== every test"
exec ctest --test-dir build-tests --output-on-failure "$@"
