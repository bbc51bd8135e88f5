#!/usr/bin/env bash
# Searches for inputs that break a reader, with libFuzzer (clang) and the sanitizers.
# usage: explore.sh SECONDS [INPUT ...]     inputs: csv h5 ini ...; without: all, one after the other
# Corpora are kept in build-fuzz/corpus; what breaks is left in build-fuzz/found/INPUT. A file that did goes,
# repaired, to tests/fuzz/found/INPUT, and is replayed by the suite.
set -eu
seconds=${1:?seconds for each input}
shift
cd "$(dirname "$0")/../.."
cmake -S . -B build-fuzz -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DATM_FUZZ=ON >/dev/null
[ $# -gt 0 ] || set -- $(for file in tests/fuzz/fuzz_*.c; do basename "$file" .c | sed 's/^fuzz_//'; done)
targets=()
for input in "$@"; do targets+=("fuzz_$input" "explore_$input"); done
cmake --build build-fuzz --target "${targets[@]}" >/dev/null
status=0
for input in "$@"; do
    corpus=build-fuzz/corpus/$input found=build-fuzz/found/$input
    mkdir -p "$corpus" "$found"
    "build-fuzz/fuzz_$input" -dump "$corpus"
    OMP_NUM_THREADS=1 "build-fuzz/explore_$input" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=3000 \
        -max_len=300000 -artifact_prefix="$found/" -print_final_stats=1 "$corpus" >"$found.log" 2>&1 || status=1
    printf '%s: %s runs, ' "$input" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$found.log")"
    if [ -z "$(ls "$found")" ]; then echo "nothing found"; else echo "see $found.log"; fi
done
exit $status
