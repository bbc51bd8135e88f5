#!/usr/bin/env bash
# A run that is killed, or whose disk fails or is full, at any moment goes on by the same command to the
# same bytes. SURVIVES_TIMES: how many times (the suite: 6).
. "$(dirname "$0")/common.sh"
tiny=$source_folder/tests/cli/tiny.ini
faulty=$(dirname "$atomloc")/faulty.so
if [ ! -e "$faulty" ]; then echo "skipped: needs $faulty"; exit 0; fi
case $(ldd "$atomloc") in *libasan*) export ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} ;; esac
times=${SURVIVES_TIMES:-6}
RANDOM=${SURVIVES_SEED:-2385}

small=(-c "$tiny" --set synth.frames=200 --set synth.height=20 --set synth.width=24 --set train.steps=6
    --set train.batch=2 --set train.checkpoint_every=2 --threads 1)
succeeds "movie" "$atomloc" synth -o movie.h5 "${small[@]}"
outputs=(-o locs.hdf5 -o locs.csv -o locs.decode.h5 -o locs.px.csv)
run() { "$atomloc" localize ../movie.h5 "${outputs[@]}" "${small[@]}" "$@" >/dev/null 2>"$work/stderr"; }

# in_folder NAME COMMAND...: there, which is made.
in_folder() { mkdir -p "$1" && (cd "$1" && shift && "$@"); }
same() {
    diff -rq "$work/whole" "$1" >"$work/differences" || fail "$2: $(cat "$work/differences")"
}

FAULTY_COUNT=$work/count LD_PRELOAD=$faulty in_folder whole run || fail "the undisturbed run"
calls=$(cat count)
[ "$calls" -gt 100 ] || fail "only $calls calls were seen"
[ -e whole/locs.journal ] && fail "the journal was left"

# --- Killed again and again, at the n-th call after each start, until it is done
kills=0 round=0
while [ "$kills" -lt "$times" ]; do
    folder=killed_$((round++))
    until FAULTY=kill FAULTY_AT=$((1 + RANDOM % calls)) LD_PRELOAD=$faulty in_folder "$folder" run; do
        kills=$((kills + 1))
        [ "$kills" -gt $((4 * times)) ] && { fail "killed $kills times, and not done"; break 2; }
    done
    same "$folder" "killed, seed ${SURVIVES_SEED:-2385}, round $round"
done

# --- A disk that is full from the n-th call on, or fails once; then there is room again
for how in full once; do
    for ((i = 0; i < times / 2; i++)); do
        at=$((1 + RANDOM % calls))
        FAULTY=$how FAULTY_AT=$at LD_PRELOAD=$faulty in_folder "${how}_$at" run
        code=$?
        [ "$code" -eq 0 ] || [ "$code" -eq 1 ] || fail "$how at $at: exit code $code"
        [ "$code" -eq 0 ] || [ "$(grep -c '^atomloc: error: ' stderr)" -eq 1 ] || fail "$how at $at: no message"
        in_folder "${how}_$at" run || fail "$how at $at: the same command does not go on"
        same "${how}_$at" "$how at call $at"
    done
done

# --- A limit on the size of files, at any size, does the same
for kib in 4 20; do
    mkdir "limit_$kib" && cp whole/locs_model.h5 "limit_$kib"
    (ulimit -f "$kib" && in_folder "limit_$kib" run) && fail "a limit of $kib KiB is no limit"
    in_folder "limit_$kib" run || fail "limit of $kib KiB: the same command does not go on"
    same "limit_$kib" "a limit of $kib KiB"
done

# --- Killed by the clock, not at a call
for ((i = 0; i < times / 4; i++)); do
    in_folder "clock_$i" timeout -s KILL "0.$((RANDOM % 90 + 10))" "$atomloc" localize ../movie.h5 "${outputs[@]}" \
        "${small[@]}" >/dev/null 2>&1
    in_folder "clock_$i" run || fail "killed by the clock: the same command does not go on"
    same "clock_$i" "killed by the clock"
done
nothing_left

# --- Two at once: the second is told, and spoils nothing
mkdir both
(cd both && run) &
process=$!
while [ ! -s both/locs.journal ] && kill -0 "$process" 2>/dev/null; do sleep 0.01; done
(cd both && "$atomloc" localize ../movie.h5 "${outputs[@]}" "${small[@]}" >"$work/stdout" 2>"$work/second")
code=$?
wait "$process" || fail "the first of two runs"
same both "two runs at once"
[ "$code" -eq 0 ] || grep -q 'another run is writing' second || fail "the second of two runs: $(tail -n 1 second)"

echo "$calls calls; killed $kills times in $round rounds; $((times / 2 * 2)) failing disks; $((times / 4)) by the clock"
finish
