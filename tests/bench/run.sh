#!/usr/bin/env bash
# Measures the network engine beside its anchors and writes tests/bench/RESULTS.md.
# PyTorch (python3-torch) and oneDNN (libdnnl-dev) are compared with when they are installed.
# Usage: bash tests/bench/run.sh [threads]
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS="${1:-2}"
build=build-bench
cmake -B "$build" -DCMAKE_BUILD_TYPE=Release > /dev/null
cmake --build "$build" --target bench_peak bench_step bench_conv -j2 > /dev/null

torch_step() {
    if ! /usr/bin/python3 -c 'import torch' 2> /dev/null; then
        echo "PyTorch is not installed (python3-torch): no comparison with it" >&2
        return
    fi
    # Its default allocator returns every buffer to the system; a caching one is the fair choice.
    local jemalloc
    jemalloc=$(ls /usr/lib/*/libjemalloc.so.2 2> /dev/null | head -n 1 || true)
    LD_PRELOAD="$jemalloc" /usr/bin/python3 tests/bench/bench_torch.py "$OMP_NUM_THREADS"
}

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
for round in 1 2 3; do
    echo "round $round" >&2
    for part in "$build/bench_peak" "$build/bench_step" torch_step "$build/bench_conv"; do
        "$part" | tee -a "$lines"
    done
done
python3 tests/bench/bench_table.py < "$lines" > tests/bench/RESULTS.md
echo "written: tests/bench/RESULTS.md"
