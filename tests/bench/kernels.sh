#!/usr/bin/env bash
# Do larger kernels earn their place? The quickstart with other sizes of the encoder's first kernel and of the linear
# convolution after the block sum: held-out loss, localization and speed. KERNELS.md has the result.
#   bash tests/bench/kernels.sh ATOMLOC FOLDER [SEEDS] [STEPS]
# Results are kept: the same command continues and prints the table again.
set -euo pipefail
atomloc=$(realpath "$1") folder=$2 seeds=${3:-2} steps=${4:-600}
config=$(cd "$(dirname "$0")/../.." && pwd)/configs/quickstart.ini
mkdir -p "$folder" && cd "$folder"

echo "| first kernel | assembly kernel | seed | held-out loss | Jaccard index | RMSE nm | steps per s |"
echo "|---|---|---|---|---|---|---|"
for kernels in "5 1" "5 7" "5 15" "5 21" "9 7" "15 7" "15 15"; do
    read -r first assembly <<<"$kernels"
    for seed in $(seq 1 "$seeds"); do
        run=first$first.assembly$assembly.$steps.$seed
        [ -s "$run/scores.json" ] || "$atomloc" run "$config" --set run.directory="$run" --set run.seed="$seed" \
            --set run.stages=synth,train,calibrate,localize,eval --set train.steps="$steps" \
            --set model.first_kernel="$first" --set model.assembly_kernel="$assembly" >"$run.log" 2>&1
        trained=$(tr '\r' '\n' <"$run.log" | grep -a 'training steps, 100 %')
        python3 - "$run/scores.json" "| $first | $assembly | $seed | ${trained##* } |" "$(sed 's/.*%, \(.*\) per s.*/\1/' <<<"$trained")" <<'END'
import json, sys
scores = json.load(open(sys.argv[1]))["at_tolerance"]["all"]
print(sys.argv[2], f"{scores['jaccard']:.3f} | {scores['rmse_nm']:.1f} | {sys.argv[3]} |")
END
    done
done
