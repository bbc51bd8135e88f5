# Helpers of the command tests; sourced with the program's path as $1.
set -u
atomloc=$(realpath "${1:?the path of the atomloc binary}") || exit 1
source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
# Threads that spin while they wait slow each other down where tests run beside other work.
export OMP_WAIT_POLICY=passive

fail() {
    printf 'FAILED: %s\n' "$*"
    [ -s "$work/stderr" ] && sed 's/^/    stderr: /' "$work/stderr"
    failures=$((failures + 1))
}

# succeeds DESCRIPTION COMMAND...: exit code 0; stdout and stderr are kept in $work.
succeeds() {
    local what=$1
    shift
    "$@" >"$work/stdout" 2>"$work/stderr" || fail "$what: exit code $? from: $*"
}

# refuses CODE PATTERN COMMAND...: that exit code, exactly one error line, which matches the pattern.
refuses() {
    local code=$1 pattern=$2 got
    shift 2
    "$@" >"$work/stdout" 2>"$work/stderr"
    got=$?
    [ "$got" -eq "$code" ] || fail "exit code $got instead of $code from: $*"
    [ "$(grep -c '^atomloc: error: ' "$work/stderr")" -eq 1 ] || fail "not one message from: $*"
    grep '^atomloc: error: ' "$work/stderr" | grep -qE -- "$pattern" ||
        fail "the message does not say \"$pattern\": $*"
}

# No file of this name, and nothing half-written anywhere.
nothing_left() {
    local name
    for name in "$@"; do
        [ -e "$name" ] && fail "$name was left behind"
    done
    [ -z "$(find "$work" -name '*.part')" ] || fail "temporary files were left: $(find "$work" -name '*.part')"
}

finish() {
    [ "$failures" -eq 0 ] && echo "$(basename "$0"): all passed"
    exit $((failures > 0))
}
