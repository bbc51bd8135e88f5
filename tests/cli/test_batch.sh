#!/usr/bin/env bash
# Many movies by one command: names, formats, a summary, failures at the end, and nothing done twice.
. "$(dirname "$0")/common.sh"
tiny=$source_folder/tests/cli/tiny.ini
batch() { "$atomloc" localize "$@" -c "$tiny" --set train.steps=20; }
column() { /usr/bin/python3 -c 'import csv, sys
print(" ".join(row[sys.argv[2]] for row in csv.DictReader(open(sys.argv[1]))))' "$@"; }

mkdir -p in day1 day2
succeeds "movie" "$atomloc" synth -c "$tiny" -o in/cell10.tif --set synth.frames=64
succeeds "movie" "$atomloc" synth -c "$tiny" -o in/cell9.ome.tif --set synth.frames=70 --set run.seed=2
cp in/cell9.ome.tif day1/movie.tif
cp in/cell10.tif day2/movie.tif
succeeds "a model, which is no movie" "$atomloc" train in/cell10.tif -o in/model.h5 -c "$tiny" --set train.steps=20
echo 'notes' >in/notes.txt
: >in/empty.tif

# --- A folder, two formats; one file fails
refuses 1 '1 of 3 movies failed: empty; out/summary\.csv says why' batch in -o out/ -o 'out/{}.csv'
grep -q 'failed: .*empty\.tif.*empty' stderr || fail "the failure is not said when it happens"
[ "$(column out/summary.csv movie)" = "cell9 cell10 empty" ] || fail "order: $(column out/summary.csv movie)"
[ "$(column out/summary.csv result)" = "done done failed" ] || fail "results: $(column out/summary.csv result)"
[ "$(column out/summary.csv frames)" = "70 64 " ] || fail "frames: $(column out/summary.csv frames)"
column out/summary.csv message | grep -q 'in/empty\.tif' || fail "the summary does not say why"
rows=$(($(wc -l <out/cell10.csv) - 1))
[ "$(column out/summary.csv localizations | cut -d' ' -f2)" = "$rows" ] || fail "localizations in the summary"
for name in cell9.hdf5 cell9.yaml cell9.csv cell9.png cell9_model.h5 cell10.hdf5 cell10.csv; do
    [ -s "out/$name" ] || fail "out/$name is missing"
done
nothing_left out/empty.hdf5 out/empty.csv out/cell9.journal out/notes.hdf5 out/model.hdf5

# --- Again: what is done stays, what was missing or changed is made again, to the same bytes
cp -r out before
rm out/cell9.csv
cp in/cell10.tif in/empty.tif
succeeds "again" batch in -o out/ -o 'out/{}.csv'
[ "$(grep -c 'made by this configuration before; reused' stderr)" -eq 1 ] || fail "cell10 should be reused, cell9 not"
cmp -s out/cell9.csv before/cell9.csv || fail "cell9.csv was made again, but differs"
cmp -s out/cell9.hdf5 before/cell9.hdf5 || fail "cell9.hdf5 was made again, but differs"
cmp -s out/cell10.hdf5 out/empty.hdf5 || fail "the same movie under two names gives two tables"
[ "$(column out/summary.csv result)" = "done done done" ] || fail "results: $(column out/summary.csv result)"
[ "$(column out/summary.csv photons | cut -d' ' -f2)" = "$(column before/summary.csv photons | cut -d' ' -f2)" ] ||
    fail "the summary of a movie that was reused differs"

# --- Killed and continued: the same
"$atomloc" localize day1/movie.tif day2/movie.tif -o 'killed/{}_locs.hdf5' -c "$tiny" --set train.steps=20 2>/dev/null &
process=$!
while [ ! -s killed/day1_movie_locs_model.h5 ] && kill -0 "$process" 2>/dev/null; do sleep 0.05; done
kill -KILL "$process" 2>/dev/null
wait "$process" 2>/dev/null
succeeds "pattern" batch 'day?/movie.tif' -o 'killed/{}_locs.hdf5'
cmp -s killed/day1_movie_locs.hdf5 out/cell9.hdf5 || fail "killed and continued: other bytes"
cmp -s killed/day2_movie_locs.hdf5 out/cell10.hdf5 || fail "killed and continued: other bytes"
[ "$(column killed/summary.csv movie)" = "day1_movie day2_movie" ] || fail "names of equal files in two folders"

# --- Outputs among the movies, twice; a folder without movies fails among the others; stacks of one name and numbers are movies
mkdir -p among/cells hollow
cp in/cell10.tif among/cells/cell_1.tif
cp in/cell10.tif among/cells/cell_2.tif
for time in first second; do
    refuses 1 '1 of 3 movies failed: hollow' batch among/cells hollow -o among/cells/
    [ "$(column among/cells/summary.csv movie)" = "cell_1 cell_2 hollow" ] || fail "$time: $(column among/cells/summary.csv movie)"
    [ "$(column among/cells/summary.csv result)" = "done done failed" ] || fail "$time: $(column among/cells/summary.csv result)"
done
cmp -s among/cells/cell_1.hdf5 out/cell10.hdf5 || fail "among the movies: another table"

# --- No file that is read is written
mkdir raw
"$atomloc" convert in/cell10.tif raw/m.h5 --quiet
/usr/bin/python3 - <<'END' || fail "raw movie"
import h5py
frames = h5py.File("raw/m.h5")["frames"][()].astype("<u2")
frames.tofile("raw/m.raw")
open("raw/m.yaml", "w").write("Byte Order: <\nData Type: uint16\nFrames: %d\nHeight: %d\nWidth: %d\n" % frames.shape)
END
rm raw/m.h5
cp raw/m.yaml kept.yaml
refuses 2 'raw/m\.yaml: the output would replace the input' batch raw/m.raw -o raw/m.hdf5
cmp -s kept.yaml raw/m.yaml || fail "the YAML of a raw movie was written over"
nothing_left raw/m.hdf5 raw/m_model.h5

# --- Mistakes
refuses 2 'several movies.*results/.*\{\}' batch in/cell9.ome.tif in/cell10.tif -o one.hdf5
refuses 2 'several movies' batch in -o one.hdf5
refuses 1 'hollow: no movies there' batch hollow -o out/
refuses 1 'nowhere/\*\.tif: no movies there' batch 'nowhere/*.tif' -o out/
nothing_left one.hdf5 one_model.h5

finish
