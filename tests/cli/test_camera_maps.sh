#!/usr/bin/env bash
# A movie of an sCMOS camera whose pixels differ, with and without the maps that say so.
. "$(dirname "$0")/common.sh"
python3 "$source_folder/tests/cli/make_scmos.py" . || fail "the movie was not made"
options=(-c "$source_folder/tests/cli/tiny.ini" --set camera.read_noise=auto)
maps=(--set camera.offset_map=offset.tif --set camera.gain_map=gain.tif --set camera.variance_map=variance.tif)

# error of localize OUTPUT OPTIONS...: leaves the lateral error in $rmse, the index in $jaccard
score() {
    succeeds "localize to $1" "$atomloc" localize movie.tif -o "$1" "${options[@]}" "${@:2}"
    cp stderr "$1.log"
    succeeds "eval of $1" "$atomloc" eval truth.csv "$1" --json -c "$source_folder/tests/cli/tiny.ini"
    read -r jaccard rmse < <(python3 - <<'END'
import json
def find(node, name):
    if isinstance(node, dict):
        if name in node and isinstance(node[name], (int, float)):
            return node[name]
        node = list(node.values())
    for child in node if isinstance(node, list) else []:
        value = find(child, name)
        if value is not None:
            return value
numbers = json.load(open("stdout"))
print(find(numbers, "jaccard"), find(numbers, "rmse_nm"))
END
    )
}

score with.csv "${maps[@]}"
grep -q 'likelihood: scmos' with.csv.log || fail "the likelihood of the maps is not named"
with=$rmse
awk -v j="$jaccard" 'BEGIN { exit !(j > 0.93) }' || fail "with maps: Jaccard $jaccard"
score plain.csv
grep -q 'likelihood: poisson' plain.csv.log || fail "the likelihood without maps is not named"
awk -v a="$with" -v b="$rmse" 'BEGIN { exit !(a < 0.9 * b) }' || fail "maps do not help: $with against $rmse nm"
echo "with maps $with nm, without $rmse nm"

# Names of the noise
succeeds "by name" "$atomloc" localize movie.tif -o named.csv --model with_model.h5 "${options[@]}" "${maps[@]}" \
    --set refine.likelihood=scmos
cmp -s named.csv with.csv || fail "auto is not scmos where there are maps"
succeeds "another name" "$atomloc" localize movie.tif -o emccd.csv --model with_model.h5 "${options[@]}" "${maps[@]}" \
    --set refine.likelihood=emccd
cmp -s emccd.csv with.csv && fail "refine.likelihood changes nothing"

# Mistakes
refuses 1 'small\.tif: 1 images of 16 x 16 px; .*32 x 32' "$atomloc" localize movie.tif -o no.csv "${options[@]}" \
    --set camera.gain_map=small.tif
succeeds "a map as HDF5" "$atomloc" convert gain.tif gain.h5
refuses 2 'gain\.h5: the output would replace the input' "$atomloc" localize movie.tif -o gain.h5 "${options[@]}" --set camera.gain_map=gain.h5
refuses 1 'movie\.tif: 96 images' "$atomloc" localize movie.tif -o no.csv "${options[@]}" --set camera.gain_map=movie.tif
refuses 1 'nowhere\.tif' "$atomloc" localize movie.tif -o no.csv "${options[@]}" --set camera.offset_map=nowhere.tif
refuses 1 'variance_map needs camera.gain' "$atomloc" localize movie.tif -o no.csv "${options[@]}" \
    --set camera.gain=auto --set camera.variance_map=variance.tif
refuses 1 'emccd needs camera.gain' "$atomloc" localize movie.tif -o no.csv --model with_model.h5 "${options[@]}" \
    --set camera.gain=auto --set refine.likelihood=emccd
nothing_left no.csv
finish
