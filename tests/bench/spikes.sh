#!/usr/bin/env bash
# The spike experiment's comparisons, each at equal cost and on the same 64x64 images; every row is trained from scratch on
# 10,000 images and evaluated on 2000 others. Results are kept: the same command continues and prints the table again.
#   bash tests/bench/spikes.sh ATOMLOC FOLDER encoders|recipe|blocks [SEEDS] [STEPS]
# SEEDS (1) is how many seeds a row is trained with, STEPS (2000) the steps of the published network; the others get as many as
# take the same time: their steps cost `cost` times one of its.
set -euo pipefail
atomloc=$(realpath "$1") folder=$2 what=$3 seeds=${4:-1} steps=${5:-2000}
config=$(cd "$(dirname "$0")/../.." && pwd)/configs/paper_spikes_64.ini
mkdir -p "$folder" && cd "$folder"
TIMEFORMAT=%U
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive

common=(-c "$config" --set run.seed=1 --set synth.frames=10000)
[ -e movie.h5 ] || "$atomloc" synth "${common[@]}" -o movie.h5 2>/dev/null
[ -e test.h5 ] || "$atomloc" synth "${common[@]}" --set run.seed=2 --set synth.frames=2000 -o test.h5 2>/dev/null

# row NAME COST SETTING...: a line of the table for each seed.
row() {
    local name=$1 cost=$2 seed sets=()
    shift 2
    for setting in "$@"; do sets+=(--set "$setting"); done
    for seed in $(seq 1 "$seeds"); do
        local run=$name.$steps.$seed
        if [ ! -s "$run/numbers.json" ]; then
            mkdir -p "$run"
            { time "$atomloc" train movie.h5 -c "$config" --set run.seed="$seed" \
                --set train.steps="$(awk "BEGIN{print int($steps/$cost)}")" --set train.penalty=0 "${sets[@]}" \
                -o "$run/model.h5" >/dev/null 2>"$run/log"; } 2>"$run/seconds"
            "$atomloc" eval "$run/model.h5" test.h5 -o "$run" --set eval.refined_images="${refined:-200}" \
                --set eval.images="${images:-2000}" --set figures.page_images=0 >/dev/null 2>>"$run/log"
        fi
        python3 - "$name" "$seed" "$run" <<'END'
import json, sys
name, seed, run = sys.argv[1:]
n = json.load(open(run + "/numbers.json"))
rec, blocks = n["reconstruction"], n.get("blocks", {})
raw, refined = blocks.get("raw", {}), blocks.get("refined") or {}
peaks = blocks.get("peaks", {})
def f(d, key, form="%.3f"):
    return form % d[key] if d.get(key) is not None else "-"
print("| %s | %s | %s | %.3f | %s | %s | %s | %s | %s | %s | %s |" % (
    name, seed, open(run + "/seconds").read().split()[-1], rec["raw"]["relative_squared_error"],
    f(raw, "jaccard"), f(raw, "rmse_sigma"), f(raw, "energy_purity"), f(raw, "split"), f(raw, "ghost"),
    f(refined, "jaccard"), f(refined, "rmse_sigma")))
END
    done
}

echo "| what | seed | CPU s | relative error | Jaccard | RMSE, sigma | purity | split | ghost | refined Jaccard | RMSE, sigma |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
pursuit=(model.encoder=pursuit train.rate=2e-3 train.blur_px=4 train.blur_keep=0 train.pursuit_grow=0.3 train.pursuit_weight=0.3)
case $what in
encoders)
    row dense 1
    row convolutional 1 model.encoder=convolutional
    row pursuit 1.5 "${pursuit[@]}"
    row homogeneous 1.5 "${pursuit[@]}" model.atom=homogeneous
    images=500 row grid 3.9 model.kind=convolutional model.cell_px=8 model.blocks_per_cell=2 train.patch_px=64 \
        train.rate=2e-3 train.penalty=0.05
    row conventional 0.24 model.blocks=1 model.block_size=30
    ;;
recipe)
    row base 1
    row no_blur 1 train.blur_px=0
    row blur_all 1 train.blur_keep=0
    row blur_long 1 train.blur_end=0.5
    row blur_images 1 train.blur=images
    row uniform 1 net.init=uniform
    row curriculum 1 train.curriculum=0.4
    row no_symmetry 1 train.symmetry=none
    row linear_latent 1 model.linear_latent=yes
    row penalty_0.1 1 train.penalty=0.1
    row penalty_0.5 1 train.penalty=0.5
    row rate_1e-4 1 train.rate=1e-4
    row rate_5e-4 1 train.rate=5e-4
    row rate_2e-3 1 train.rate=2e-3
    ;;
blocks)
    for d0 in 2 3 6 12; do row "d0_$d0" 1.5 "${pursuit[@]}" model.block_size=$d0; done
    row through 1.5 "${pursuit[@]}" train.pursuit_through=yes
    row at_once 1.5 "${pursuit[@]}" train.pursuit_grow=0
    row end_only 1.5 "${pursuit[@]}" train.pursuit_weight=0
    ;;
*)
    echo "spikes.sh: encoders, recipe or blocks" >&2
    exit 2
    ;;
esac
