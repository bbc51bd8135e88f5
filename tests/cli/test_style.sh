#!/usr/bin/env bash
# Source checks: libraries are called in their wrapper files only, and functions that cannot tell an error
# from a value, or that write past an end, are not called at all.
set -u
cd "$(dirname "$0")/../.." || exit 1
failures=0

# check DESCRIPTION ALLOWED-FILES-REGEX PATTERN [FOLDERS]: no source line outside of the allowed files has the pattern.
check() {
    local hits
    hits=$(grep -rnE --include='*.c' --include='*.h' --include='*.inc' "$3" ${4:-pipeline synth localize eval} |
        grep -vE "^($2):" || true)
    if [ -n "$hits" ]; then
        printf 'not allowed here: %s\n%s\n' "$1" "$hits"
        failures=$((failures + 1))
    fi
}

none='no-such-file'
word='(^|[^A-Za-z0-9_.>])'
check 'HDF5 outside of its wrapper' 'pipeline/io/h5[a-z_]*\.[ch]' "${word}H5[A-Z]{1,2}[a-z_]+[a-z0-9_]* *\\(|hdf5(_hl)?\\.h"
check 'libtiff outside of its wrapper' 'pipeline/io/(movie_write\.c|([a-z]+_)?tiff[a-z_]*\.[ch])' "${word}TIFF[A-Z][A-Za-z]+ *\\(|tiffio\\.h"
check 'atoi and its like: no error, no range' "$none" "${word}(atoi|atol|atoll|atof) *\\("
check 'unbounded string functions' "$none" "${word}(strcpy|strcat|sprintf|vsprintf|gets) *\\(" \
    'pipeline synth localize eval tests'
check 'rand: not repeatable; use atm_rng' "$none" "${word}(rand|srand|random|drand48) *\\("
check 'bare fopen: use atm_outfile, or textfile for reading' 'pipeline/io/[a-z_]*\.c' "${word}fopen *\\("
check 'printing below the command layer' 'pipeline/cli/[a-z_]*\.c' "${word}(printf|puts|putchar|perror) *\\("
check 'exit below the command layer' 'pipeline/cli/[a-z_]*\.c' "${word}(exit|_exit) *\\("

# One name, one file in the whole tree.
doubles=$(find pipeline synth localize eval tests -name '*.[ch]' -printf '%f\n' | sort | uniq -d)
if [ -n "$doubles" ]; then
    printf 'two files with the same name:\n%s\n' "$doubles"
    failures=$((failures + 1))
fi

long=$(find pipeline synth localize eval -name '*.[ch]' -exec awk 'END { if (NR > 500) print FILENAME, NR }' {} \;)
if [ -n "$long" ]; then
    printf 'longer than 500 lines:\n%s\n' "$long"
    failures=$((failures + 1))
fi

for script in pipeline/*.sh tests/*.sh tests/cli/*.sh .ci/run; do
    bash -n "$script" || failures=$((failures + 1))
done

[ "$failures" -eq 0 ] && echo "style: no stray calls"
exit $((failures > 0))
