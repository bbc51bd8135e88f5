#!/usr/bin/env bash
# A model on test images with truth: numbers into a folder, the same on one and two threads.
. "$(dirname "$0")/common.sh"
config=$source_folder/tests/cli/spikes.ini

succeeds "test images" "$atomloc" synth -c "$config" --set run.seed=2 -o test.h5
succeeds "training" "$atomloc" train test.h5 -c "$config" -o model.h5

succeeds "numbers" "$atomloc" eval model.h5 test.h5 --threads 1
[ -s model_eval/numbers.txt ] || fail "no numbers beside the model"
cmp -s stdout model_eval/numbers.txt || fail "stdout is not numbers.txt"
succeeds "the same again" "$atomloc" eval model.h5 test.h5 -o again --threads 2
for name in numbers.txt numbers.json blocks_0.png blocks_95.png sweep.png interpolation.png pairs.png index.html; do
    cmp -s "model_eval/$name" "again/$name" || fail "$name: other bytes on two threads"
done

succeeds "the model's own brightness" "$atomloc" eval model.h5 test.h5 -o scaled --set input.scale=3
for name in numbers.txt blocks_0.png sweep.png pairs.png; do
    cmp -s "model_eval/$name" "scaled/$name" || fail "$name: not of the images that the network sees"
done

/usr/bin/python3 - <<'END' || fail "numbers.json"
import json
numbers = json.load(open("again/numbers.json"))
assert numbers["images"] == 96 and numbers["sigma_px"] == 1.5 and numbers["sigma_known"]
for kind in ("raw", "peaks"):
    blocks = numbers["blocks"][kind]
    pairs, spikes, found = blocks["matched"], blocks["spikes"], blocks["blocks"]
    assert spikes == numbers["spikes"] and 0 <= pairs <= min(spikes, found)
    assert abs(blocks["jaccard"] - pairs / (spikes + found - pairs)) < 1e-9
# The test images are separate Gaussians without noise: a local maximum and a fit find them exactly.
peaks = numbers["blocks"]["peaks"]
assert peaks["jaccard"] == 1 and peaks["rmse_px"] < 1e-3 and peaks["amplitude_rms"] < 1e-3
assert numbers["other_matchings"]["peaks"]["chance_jaccard"] < 0.3
# Parts add up: by number of spikes, and by distance.
for part in ("by_count", "by_distance"):
    for kind in ("raw", "peaks"):
        rows = numbers[f"{part}_{kind}"]
        assert sum(rows["spikes"].values()) == numbers["spikes"], part
        assert all(0 <= v <= 1 for v in rows["recall"].values())
        found = sum(n * r for n, r in zip(rows["spikes"].values(), rows["recall"].values()))
        assert abs(found - numbers["blocks"][kind]["matched"]) < 1e-6
assert set(numbers["by_count_raw"]["spikes"]) == {"1", "2", "3"}
for grid in ("latents", "motions", "coordinates", "validity", "fewer_atoms"):
    assert grid in numbers, grid
assert len(numbers["coordinates"]["motion_px"]) == 3
# 60 steps make no good model, but a reconstruction that is better than none.
assert numbers["reconstruction"]["raw"]["relative_squared_error"] < 0.8
END

succeeds "fewer images" "$atomloc" eval model.h5 test.h5 -o few --set eval.images=10 --set eval.sigma_px=2
grep -q '^images  *10 of' few/numbers.txt || fail "eval.images"
grep -q '^sigma  *2 px' few/numbers.txt || fail "eval.sigma_px"

# --- The published network, also refined; and one code for the whole image: peaks stand for its blocks
small=(-c "$config" --set synth.height=64 --set synth.width=64 --set synth.frames=24 --set train.steps=20
    --set model.kind=paper_spikes_64)
succeeds "larger images" "$atomloc" synth "${small[@]}" -o large.h5
succeeds "published" "$atomloc" train large.h5 "${small[@]}" -o paper.h5
succeeds "one code" "$atomloc" train large.h5 "${small[@]}" --set model.blocks=1 --set model.block_size=30 -o whole.h5
for model in paper whole; do
    succeeds "$model" "$atomloc" eval "$model.h5" large.h5 -o "$model" --set figures.page_images=0 --set eval.refined_images=6
done
/usr/bin/python3 - <<'END' || fail "numbers.json of the published networks"
import json
paper, whole = (json.load(open(f"{name}/numbers.json")) for name in ("paper", "whole"))
for numbers, blocks in ((paper, 10), (whole, 1)):
    assert numbers["blocks_per_image"] == blocks and numbers["refined_images"] == 6
    error = {kind: numbers["reconstruction"][kind]["relative_squared_error"] for kind in ("raw", "refined")}
    assert error["refined"] < error["raw"]
    assert numbers["blocks"]["refined"]["spikes"] < numbers["blocks"]["raw"]["spikes"] == numbers["spikes"]
assert paper["fewer_atoms"]["refined"]["full"] is None or paper["fewer_atoms"]["refined"]["full"] > 0
assert "fewer_atoms" not in whole and "latents" not in whole
END
# --- A model that starts from another is like it, but for what the configuration says
from() {
    succeeds "$2 from $1" "$atomloc" train large.h5 "${small[@]}" --set train.from="$1.h5" --set train.steps=2 -o "$2.h5" "${@:3}"
    /usr/bin/python3 -c 'import h5py, sys; print(*(h5py.File(sys.argv[1]).attrs[key] for key in ("encoder", "atom")))' "$2.h5" >"$2.kind"
}
from paper homogeneous --set model.atom=homogeneous
from homogeneous same
cmp -s homogeneous.kind same.kind || fail "the start's atom is not kept"
from paper published
cmp -s homogeneous.kind published.kind && fail "model.atom is not heard where there is a start"
from homogeneous biased --set model.atom=published
cmp -s published.kind biased.kind || fail "model.atom = published is not heard where the start has another"
from paper pursuit --set model.encoder=pursuit
from pursuit follows
from pursuit dense --set model.encoder=dense
cmp -s pursuit.kind follows.kind || fail "the start's encoder is not kept"
cmp -s published.kind dense.kind || fail "model.encoder = dense is not heard where the start has another"
"$atomloc" info same.h5 | grep -q 'atom = homogeneous' || fail "the provenance does not say the start's atom"

grep -q 'one code for the whole image' whole/numbers.txt || fail "numbers.txt does not say what stands for blocks"

refuses 2 'numbers.json is in its folder' "$atomloc" eval model.h5 test.h5 --json
succeeds "TIFF" "$atomloc" convert test.h5 test.tif
succeeds "without truth" "$atomloc" eval model.h5 test.tif -o figures --set figures.images=7
grep -q 'figures but no numbers' stderr || fail "nothing is said of the missing truth"
[ -s figures/blocks_7.png ] && [ ! -e figures/numbers.txt ] || fail "without truth"
refuses 2 'figures.images' "$atomloc" eval model.h5 test.tif -o figures --set figures.images=96
refuses 1 'model.h5' "$atomloc" eval model.h5 model.h5 -o none
nothing_left none
finish
