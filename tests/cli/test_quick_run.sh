#!/usr/bin/env bash
# A small experiment through all stages: the same bytes on one and two threads, and when it is stopped in
# the middle of training and of localizing and continued by the same command.
. "$(dirname "$0")/common.sh"
tiny=$source_folder/tests/cli/tiny.ini

# Outputs that must not depend on threads or stops.
same_results() {
    local name
    for name in movie.tif movie_truth.px.csv model.h5 curve.png locs.hdf5 locs.yaml locs.csv scores.txt \
        scores.json picture.png blocks.png resolved.ini; do
        [ -s "$1/$name" ] || fail "$1/$name is missing"
        cmp -s "$1/$name" "$2/$name" || fail "$3: other bytes in $name"
    done
}

# wait_for FILE PID: until FILE exists with some content, while the process lives.
wait_for() {
    while [ ! -s "$1" ] && kill -0 "$2" 2>/dev/null; do sleep 0.02; done
}

run=("$atomloc" run "$tiny" --set run.movie=tiff)

# --- Whole
succeeds "run" "${run[@]}" -o whole --threads 2
grep -qE '^Jaccard' stdout || fail "run does not print the scores"
jaccard=$(sed -nE 's/^Jaccard[^0-9]*(TP[^ ]* *)?([01]\.[0-9]+).*/\2/p' stdout | head -n 1)
awk -v j="${jaccard:-0}" 'BEGIN { exit !(j > 0.7) }' || fail "the tiny run finds too little: Jaccard $jaccard"
nothing_left whole/locs.journal whole/model.h5.checkpoint

# --- Nothing is done twice, and it is said
cp -r whole repeated
succeeds "run again" "${run[@]}" -o repeated
[ "$(grep -c 'reused' stderr)" -eq 3 ] || fail "a second run should reuse movie, model and localizations"
same_results whole repeated "a second run"
succeeds "other options" "${run[@]}" -o repeated --set refine.rounds=1
grep -q 'locs.hdf5.*reused' stderr && fail "localizations of other options were reused"
grep -q 'model.h5.*reused' stderr || fail "the model does not depend on [refine]"

# --- Stopped in the training
"${run[@]}" -o stopped >stdout 2>stderr &
process=$!
wait_for stopped/model.h5.checkpoint "$process"
kill -INT "$process" 2>/dev/null # twice, as from a job runner that signals the process and its group
kill -INT "$process" 2>/dev/null
wait "$process"
code=$?
if [ -s stopped/model.h5 ]; then
    echo "note: the training was over before it could be stopped"
else
    [ "$code" -eq 1 ] || fail "stopped in the training: exit code $code"
    grep -q 'atomloc: stopped: .*model\.h5\.checkpoint' stderr || fail "the stop does not say what is kept"
    nothing_left stopped/model.h5 stopped/locs.hdf5
fi

# --- and then in the localizing
"${run[@]}" -o stopped >stdout 2>stderr &
process=$!
wait_for stopped/locs.journal "$process"
kill -INT "$process" 2>/dev/null
wait "$process"
code=$?
grep -q 'continuing' stderr || fail "the checkpoint was not continued"
if [ -s stopped/locs.hdf5 ]; then
    echo "note: localizing was over before it could be stopped"
else
    [ "$code" -eq 1 ] || fail "stopped in localizing: exit code $code"
    grep -q 'atomloc: stopped: .*locs\.journal' stderr || fail "the stop does not say what is kept"
fi
succeeds "continue" "${run[@]}" -o stopped
same_results whole stopped "stopped twice"
nothing_left stopped/locs.journal stopped/model.h5.checkpoint

# --- localize without a model does the same on its own, on one thread too, and keeps the model
succeeds "localize" "$atomloc" localize whole/movie.tif -o locs.hdf5 -c "$tiny" --threads 1
for name in locs.hdf5 locs.yaml locs.png locs_blocks.png locs_model.h5 locs_model_curve.png; do
    [ -s "$name" ] || fail "localize did not write $name"
done
cmp -s locs_model.h5 whole/model.h5 || fail "localize learned another model than run"
cmp -s locs.hdf5 whole/locs.hdf5 || fail "localize found other emitters than run"
nothing_left locs.journal locs_model.h5.checkpoint
succeeds "localize with that model" "$atomloc" localize whole/movie.tif -o with.csv --model locs_model.h5 -c "$tiny"
cmp -s with.csv whole/locs.csv || fail "localize --model found other emitters"
[ -e with_model.h5 ] && fail "localize --model trained all the same"

# --- calibrate: deterministic; info knows the model
succeeds "calibrate" "$atomloc" calibrate locs_model.h5 -o calibrated.h5 -c "$tiny"
grep -q '^position residual: .* px' stdout || fail "calibrate prints no residual"
cmp -s calibrated.h5 locs_model.h5 || fail "calibrating again changes the model"
succeeds "info of a model" "$atomloc" info locs_model.h5
grep -qE '^kind: +model$' stdout && grep -qE '^calibrated: +yes$' stdout || fail "info of a model"

finish
