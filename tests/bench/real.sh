#!/usr/bin/env bash
# The same command on every stack with truth that others have made: train on the stack, localize, score. Prints a table in
# Markdown; what is done is kept, and the same command continues.
#   bash tests/bench/real.sh ATOMLOC FOLDER [DATA] [NAME ...]
# DATA (../shared/data/real) holds the stacks, FOLDER receives tables, models, logs and scores; NAMEs (LD_Train, tubes_hd, ...)
# choose stacks. SETS="--set refine.rounds=4" is added to each localize. Truth is read by eval only.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
atomloc=$(realpath "$1") folder=$2 data=$(realpath "${3:-$here/../shared/data/real}")
shift "$(($# < 3 ? $# : 3))"
mkdir -p "$folder" && cd "$folder"
export OMP_WAIT_POLICY=passive
TIMEFORMAT='%R %U'

# stack NAME PIXEL_NM PATH: localize and score; a line of the table.
stack() {
    local name=$1 pixel=$2 movie=$data/$3.tif truth=$data/$3_gt.csv border
    shift 3
    if [ ! -e "$movie" ]; then
        echo "| $name | $movie is not there |"
        return
    fi
    if [ ! -s "$name.time" ]; then
        # shellcheck disable=SC2086 # SETS is a list
        { time "$atomloc" localize "$movie" -o "$name.hdf5" --set camera.pixel_size_nm="$pixel" ${SETS:-} 2>"$name.log"; } \
            2>"$name.seconds" || { echo "| $name | failed: $(tail -n 1 "$name.log") |"; return; }
        mv "$name.seconds" "$name.time"
    fi
    for border in 0 450; do
        "$atomloc" eval "$truth" "$name.hdf5" --json --set eval.pixel_size_nm="$pixel" --set eval.border_nm=$border \
            >"$name.$border.json" 2>>"$name.log"
    done
    python3 - "$name" <<'END'
import json, sys
name = sys.argv[1]
wall, cpu = open(name + ".time").read().split()[-2:]
def row(border):
    n = json.load(open("%s.%s.json" % (name, border)))
    near, far, c = n["at_100_nm"]["all"], n["at_tolerance"]["all"], n["controls"]
    f = lambda v, form="%.3f": form % v if v is not None else "-"
    jaccard = lambda d: d["jaccard"] if d else None
    pair = lambda d: " / ".join(f(jaccard(d[k])) for k in ("at_tolerance", "at_100_nm")) if d else "-"
    return "%s / %s | %s | %s, %s | %s | %s" % (f(far["jaccard"]), f(near["jaccard"]), f(far["rmse_nm"], "%.1f"),
        f(far["recall"]), f(far["precision"]), pair(c.get("wrong_frame")), pair(c.get("grid")))
verdict = [l.split("verdict: ")[1].split(":")[0].strip() for l in open(name + ".log") if "verdict: " in l]
print("| %s | %s | %s | %.0f s, %.0f s | %s |" % (name, row(0), row(450), float(wall), float(cpu), (verdict or ["-"])[-1]))
END
}

# wanted NAME [NAMES]: is it among them, or are there none?
wanted() {
    local name=$1 other
    shift
    [ $# -eq 0 ] && return
    for other in "$@"; do [ "$other" = "$name" ] && return; done
    return 1
}

scores='Jaccard 250 / 100 nm | RMSE, nm | recall, precision | wrong frame | even grid'
echo "| stack | $scores | without 450 nm of border: $scores | time, processor | verdict |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
while read -r name pixel path; do
    wanted "$name" "$@" && stack "$name" "$pixel" "$path"
done <<'END'
LD_Train 100 nairr/2DGauss_LD_Train
HD_Validate 100 nairr/2DGauss_HD_Validate
Airy_LD_Validate 100 nairr/2DAiry_LD_Validate
Airy_HD_Train 100 nairr/2DAiry_HD_Train
random_hd 100 deepstorm/random_hd
tubes_hd 100 deepstorm/tubes_hd
sparse_256 160 storm-analysis/sparse_256
dense_single_frame 160 storm-analysis/dense_single_frame
low_snr_400x300 160 storm-analysis/low_snr_400x300
END
