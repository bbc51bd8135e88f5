#!/usr/bin/env bash
# The experiments of the paper as configs/*.ini have them, cut short: one command trains and evaluates; every encoder, a
# conventional autoencoder; done again, everything is reused and comes out the same.
. "$(dirname "$0")/common.sh"
short=(--set synth.frames=64 --set run.test_frames=24 --set train.steps=6 --set train.batch=8 --set train.warmup_steps=2
    --set figures.images=3)

for case in dense/paper_spikes_64 pursuit/pursuit_spikes_64; do
    folder=${case%/*} config=$source_folder/configs/${case#*/}.ini
    succeeds "$folder" "$atomloc" run "$config" -o "$folder" "${short[@]}"
    for name in model.h5 curve.png test.h5 numbers.txt numbers.json blocks_3.png sweep.png index.html resolved.ini; do
        [ -s "$folder/$name" ] || fail "$folder/$name is missing"
    done
    grep -q '^images  *24 of 64 x 64 px' "$folder/numbers.txt" || fail "$folder: not the test set"
done
grep -q '^model  *289289 parameters, k = 10 blocks of d0 = 3' dense/numbers.txt || fail "the published network"

cp pursuit/numbers.json before.json
succeeds "again" "$atomloc" run "$source_folder/configs/pursuit_spikes_64.ini" -o pursuit "${short[@]}" --threads 1
[ "$(grep -c 'reused' stderr)" -eq 3 ] || fail "movie, model and test set are not reused"
cmp -s before.json pursuit/numbers.json || fail "numbers differ when made again"

refuses 2 'run.test_frames evaluates the model' "$atomloc" run "$source_folder/configs/paper_spikes_64.ini" -o none \
    --set 'run.stages=synth,train,eval,report'

succeeds "convolutional" "$atomloc" run "$source_folder/configs/paper_spikes_64.ini" -o heads "${short[@]}" \
    --set model.encoder=convolutional
succeeds "conventional autoencoder" "$atomloc" run "$source_folder/configs/paper_spikes_64.ini" -o one "${short[@]}" \
    --set model.blocks=1 --set model.block_size=30
grep -q 'k = 1 block' one/numbers.txt || fail "one block for the whole image"
refuses 1 'jaccard is .*, under 0\.999' "$atomloc" run "$source_folder/configs/paper_spikes_64.ini" -o dense "${short[@]}" \
    --fail-under blocks.raw.jaccard=0.999

# --- A batch of them: curves over words and numbers, from the model's own numbers; one test set for all
succeeds "batch" "$atomloc" run "$source_folder/configs/batch_paper.ini" -o batch "${short[@]}" \
    --set sweep.train.steps=4,8 --set sweep.model.encoder=dense,pursuit --set sweep.train.blur_px=2
/usr/bin/python3 - <<'END' || fail "the batch's results"
import csv, json
rows = list(csv.DictReader(open("batch/results.csv", newline="")))
assert [(r["train.steps"], r["model.encoder"]) for r in rows] == [(s, e) for s in "48" for e in ("dense", "pursuit")]
assert len({r["parameters"] for r in rows}) == 2, "the encoder did not reach the runs"
chart = json.load(open("batch/figures/blocks.raw.jaccard_over_model.encoder.json"))
assert chart["x_words"] == ["dense", "pursuit"] and [c["label"] for c in chart["curves"]] == ["steps = 4", "steps = 8"]
for s, curve in enumerate(chart["curves"]):
    assert curve["x"] == [0, 1]
    for y, row in zip(curve["y"], rows[2 * s:]):
        assert abs(y - float(row["blocks.raw.jaccard"])) < 1e-9
END
[ -s batch/figures/blocks.raw.jaccard_over_train.steps.svg ] || fail "no curve over the steps"
[ "$(find batch/cache -name test.h5 | wc -l)" -eq 1 ] || fail "the test set is not shared"
finish
