#!/usr/bin/env bash
# A hot, a stuck and a dead pixel: left out, and nearly all is as without them; kept, they spoil the movie.
. "$(dirname "$0")/common.sh"
options=(-c "$source_folder/tests/cli/tiny.ini")
jaccard() {
    "$atomloc" eval movie_truth.px.csv "$1" "${options[@]}" --json |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["at_100_nm"]["all"]["jaccard"])'
}

succeeds "a movie" "$atomloc" synth "${options[@]}" -o movie.tif
/usr/bin/python3 - <<'END' || fail "could not spoil the movie"
import tifffile
frames = tifffile.imread("movie.tif")
frames[:, 11, 20], frames[:, 3, 9], frames[:, 25, 6:8] = 0, 65535, 3000
tifffile.imwrite("spoilt.tif", frames)
END
for movie in movie spoilt; do
    succeeds "$movie" "$atomloc" localize $movie.tif -o $movie.px.csv "${options[@]}"
    cp stderr $movie.log
done
grep -q "left out" movie.log && fail "pixels of a good movie are left out"
grep -q "4 of the camera's pixels .* are left out" spoilt.log || fail "bad pixels are not found: $(cat spoilt.log)"
succeeds "binned" "$atomloc" localize spoilt.tif -o binned.px.csv "${options[@]}" --set input.binning=2
succeeds "kept" "$atomloc" localize spoilt.tif -o kept.px.csv "${options[@]}" --set input.bad_pixels=keep
# Saturation still counts beside bad pixels: it leaves more out.
succeeds "saturated" "$atomloc" localize spoilt.tif -o saturated.px.csv --model spoilt_model.h5 "${options[@]}" \
    --set camera.saturation=400
succeeds "not saturated" "$atomloc" localize spoilt.tif -o again.px.csv --model spoilt_model.h5 "${options[@]}"
cmp -s spoilt.px.csv again.px.csv || fail "the same movie and model give another table"
cmp -s again.px.csv saturated.px.csv && fail "camera.saturation is not heard where pixels are bad"
# Of 96 x 0.3 x 10.24 = 295 emitters about one in fifty has a bad pixel within 2 px, and may be lost.
awk "BEGIN { exit !($(jaccard spoilt.px.csv) > $(jaccard movie.px.csv) - 0.05) }" ||
    fail "left out: $(jaccard spoilt.px.csv) after $(jaccard movie.px.csv)"
awk "BEGIN { exit !($(jaccard kept.px.csv) < $(jaccard spoilt.px.csv) - 0.05) }" || fail "keep: $(jaccard kept.px.csv)"
awk "BEGIN { exit !($(jaccard binned.px.csv) > $(jaccard movie.px.csv) - 0.1) }" || fail "binned: $(jaccard binned.px.csv)"
finish
