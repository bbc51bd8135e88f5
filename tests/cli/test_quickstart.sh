#!/usr/bin/env bash
# The README's first experiment reaches what it promises, and the network has its share in it: its raw
# blocks, without any fit, must be near the emitters too (the fit alone could find many from the residual).
. "$(dirname "$0")/common.sh"

# value NAME FILE: the first number (250 nm, all emitters) of a line of the report.
value() { sed -nE "s/^$1[^0-9]*.* +([0-9.]+) +[0-9.na/]+ +[0-9.na/]+ +[0-9.na/]+\$/\1/p" "$2" | head -n 1; }
at_least() { awk -v v="${1:-0}" -v least="$2" 'BEGIN { exit !(v >= least) }'; }

succeeds "run" "$atomloc" run "$source_folder/configs/quickstart.ini" -o quick
cp stdout report
jaccard=$(value 'Jaccard' report)
at_least "$jaccard" 0.9 || fail "quickstart: Jaccard $jaccard, promised are 0.9"

succeeds "raw blocks" "$atomloc" localize quick/movie.tif -o raw.hdf5 --model quick/model.h5 \
    --set localize.refine=no
succeeds "eval of raw blocks" "$atomloc" eval quick/movie_truth.px.csv raw.hdf5 --set eval.pixel_size_nm=100
recall=$(value 'recall' stdout)
rmse=$(value 'RMSE lateral' stdout)
echo "refined: Jaccard $jaccard; raw blocks: recall $recall, RMSE $rmse nm"
at_least "$recall" 0.8 || fail "raw blocks find only $recall of the emitters"
at_least 100 "$rmse" || fail "raw blocks are $rmse nm off; a pixel is 100 nm"
