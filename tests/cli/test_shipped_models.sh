#!/usr/bin/env bash
# The models that ship in configs/ still do what configs/paper.md says of them, on images that nobody has seen: a few hundred
# of another seed. The limits are the published numbers less four standard errors of a share p among s spikes, sqrt(p (1 - p) / s),
# doubled because spikes of one image stand or fall together.
. "$(dirname "$0")/common.sh"

# shipped NAME IMAGES REFINED JACCARD PURITY RECALL
shipped() {
    local name=$1 images=$2 refined=$3
    shift 3
    succeeds "$name: test images" "$atomloc" synth -c "$source_folder/configs/$name.ini" --set run.seed=4711 \
        --set synth.frames="$images" -o "$name.test.h5"
    succeeds "$name" "$atomloc" eval "$source_folder/configs/$name.h5" "$name.test.h5" -o "$name" \
        --set eval.refined_images="$refined" --set figures.page_images=4
    /usr/bin/python3 - "$name" "$@" <<'END' || fail "$name: not what configs/paper.md says"
import json, math, sys
name, published = sys.argv[1], dict(zip(("jaccard", "energy_purity", "recall"), map(float, sys.argv[2:])))
numbers = json.load(open(name + "/numbers.json"))
raw, refined = numbers["blocks"]["raw"], numbers["blocks"]["refined"]
for what, p in published.items():
    least = p - 8 * math.sqrt(p * (1 - p) / raw["spikes"])
    assert raw[what] >= least, f"{what}: {raw[what]:.4f}, published {p}, at least {least:.4f}"
assert refined["rmse_px"] < raw["rmse_px"], "refinement makes positions worse"
error = numbers["reconstruction"]
assert error["refined"]["relative_squared_error"] < error["raw"]["relative_squared_error"]
assert numbers["other_matchings"]["raw"]["chance_jaccard"] < 0.1
END
}

shipped pursuit_spikes_64 200 40 0.9905 0.9988 0.9940
shipped paper_spikes_64 200 40 0.7482 0.9740 0.8422
shipped paper_spikes 60 4 0.6774 0.9629 0.8201
finish
