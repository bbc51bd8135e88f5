#!/usr/bin/env bash
# Reports and other programs' tables: scored beside ours, on one page that asks the network for nothing.
. "$(dirname "$0")/common.sh"
tiny=$source_folder/tests/cli/tiny.ini
run=("$atomloc" run "$tiny" -o run --set synth.frames=48 --set train.steps=30)

# --- Tables as other programs write them, from the truth moved by 10 nm in x
succeeds "movie" "${run[@]}" --set run.stages=synth
/usr/bin/python3 - <<'END' || fail "could not write the other programs' tables"
import h5py, numpy
with h5py.File("run/movie.h5") as file:
    t = file["truth"][:]
x, y = t["x"] + 0.1, t["y"].astype(float)
with h5py.File("decode.h5", "w") as file:
    data, meta = file.create_group("data"), file.create_group("meta")
    data["xyz"] = numpy.stack([y, x, 0 * x], 1).astype("f4")  # axis 0 is the row
    data["phot"], data["frame_ix"] = t["photons"].astype("f4"), t["frame"].astype("i8")
    data["xyz_cr"] = numpy.full((len(x), 3), 0.04, "f4")
    data["bg"] = h5py.Empty("f")
    meta.attrs["xy_unit"], meta.attrs["px_size"] = "px", (100.0, 100.0)
with h5py.File("decode_nm.h5", "w") as file:
    data, meta = file.create_group("data"), file.create_group("meta")
    data["xyz"] = (numpy.stack([y, x, 0 * x], 1) * 100).astype("f4")
    data["frame_ix"] = t["frame"].astype("i8")
    meta.attrs["xy_unit"], meta.attrs["px_size"] = "nm", (100.0, 100.0)
with h5py.File("storm.hdf5", "w") as file:
    file.attrs["sa_type"], file.attrs["version"], file.attrs["pixel_size"] = "testing", 0.1, 100.0
    file.attrs["movie_x"], file.attrs["movie_y"], file.attrs["movie_l"] = 32, 32, 48
    for frame in numpy.unique(t["frame"]):
        group, mine = file.create_group("fr_%d" % frame), t["frame"] == frame
        group["x"], group["y"], group["sum"] = x[mine], y[mine], t["photons"][mine]
        group["xsigma"] = numpy.full(mine.sum(), 1.3)
with open("submission.csv", "w") as file:
    for r, px in zip(t, x):
        file.write("%d,%.4f,%.4f,0,%.2f\n" % (r["frame"] + 1, (px + 0.5) * 100, (r["y"] + 0.5) * 100, r["photons"]))
END
succeeds "info" "$atomloc" info decode.h5
grep -qE '^columns: +frame x y photons uncertainty' stdout || fail "info of DECODE's table: $(cat stdout)"
succeeds "info" "$atomloc" info storm.hdf5
grep -qE '^width: +32$' stdout || fail "info of storm-analysis' table: $(cat stdout)"
succeeds "converted" "$atomloc" convert storm.hdf5 storm.csv
succeeds "side by side" "$atomloc" eval run/movie.h5 decode.h5 decode_nm.h5 storm.hdf5 storm.csv submission.csv \
    --set eval.pixel_size_nm=100
[ "$(grep -cE '^[a-z_]+\.[a-z0-9]+ .* 1\.0000 +1\.0000 +1\.0000 +10\.00 .* 10\.00 +-?0\.00 ' stdout)" -eq 5 ] ||
    fail "a table is not read as it was meant: $(cat stdout)"
echo 'xyz' >broken.h5
refuses 1 'broken\.h5' "$atomloc" eval run/movie.h5 broken.h5

# --- One report
succeeds "run" "${run[@]}" --set compare.decode=decode.h5 --set compare.storm=storm.hdf5 --set compare.none=missing.csv
grep -q 'warning: \[compare\] none: missing\.csv is not there; left out' stderr || fail "a missing table is left out silently"
"${run[@]}" >both.txt 2>&1 || fail "again, with both streams in one file"
awk '/^--- /{ stage = $2 } /^Jaccard /{ at = stage } END { exit at != "eval" }' both.txt ||
    fail "the scores do not stand behind the stage that made them: $(cat both.txt)"
succeeds "run" "${run[@]}" --set compare.decode=decode.h5 --set compare.storm=storm.hdf5 --set compare.none=missing.csv
for word in 'Jaccard index' 'Beside other programs' 'storm' 'Does the fit explain the data' 'Errors' 'The network' 'xxh3' \
    'Resolved configuration'; do
    grep -q "$word" run/report.html || fail "the report has no \"$word\""
done
for name in picture.png frames.png errors.svg errors.png errors.json pulls.json goodness.svg training.{svg,png,json} atom.png psf.svg \
    psf.json blocks.png error_over_photons.json; do
    [ -s "run/figures/$name" ] || fail "figures/$name is missing"
done
[ "$(grep -o 'src="data:image/' run/report.html | wc -l)" -ge 9 ] || fail "pictures are missing in the report"
grep -qE '(src|href)="?https?:' run/report.html && fail "the report asks for something outside"
cp -r run again
succeeds "again" "$atomloc" run "$tiny" -o again --set synth.frames=48 --set train.steps=30 --threads 1 \
    --set compare.decode=decode.h5 --set compare.storm=storm.hdf5 --set compare.none=missing.csv
diff <(sed 's/>run</>again</g' run/report.html) again/report.html >/dev/null || fail "the report has other bytes on one thread"
succeeds "page of eval" "$atomloc" eval run/movie.h5 run/locs.hdf5 decode.h5 -o scores.html
grep -q 'Side by side' scores.html || fail "eval's page does not compare"
grep -qE '^decode\.h5 ' stdout && grep -q '^wrote scores\.html$' stderr || fail "eval -o does not say what it did"

# --- Without truth: what there is to say about the table
succeeds "a movie without truth" "$atomloc" convert run/movie.h5 plain.tif
succeeds "its report" "$atomloc" run "$tiny" -o real --set run.stages=train,localize,report \
    --set input.path=plain.tif --set input.frame_count=24 --set train.steps=10
for word in '<span>Per frame' 'Median photons of a localization' ' nm</b><span>Precision' 'There is no truth'; do
    grep -q "$word" real/report.html || fail "the report without truth has no \"$word\""
done

# --- In a browser, where there is one: no message on its console, nothing asked for
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
    echo "no Chromium is installed: the pages were not opened"
    finish
fi
for page in run/report.html scores.html; do
    "$browser" --headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update \
        --no-first-run --user-data-dir="$work/profile" --enable-logging=stderr \
        --log-net-log="$work/net.json" --dump-dom "file://$work/$page" >page.txt 2>browser.log
    grep -q 'CONSOLE' browser.log && fail "$page: $(grep CONSOLE browser.log)"
    grep -q '</html>' page.txt || fail "$page was not opened"
    # What the browser asks for on its own account (updates, dictionaries) is not the page's.
    grep -oE '"url":"(https?|ftp|wss?):[^"]*' net.json | grep -vE 'google|gstatic|chromium|gvt1\.com' >asked.txt
    [ -s asked.txt ] && fail "$page asks for $(cat asked.txt)"
done
finish
