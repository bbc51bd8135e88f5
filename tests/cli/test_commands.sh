#!/usr/bin/env bash
# Help, configuration and conversions; the outputs are read back by other programs.
. "$(dirname "$0")/common.sh"
tiny=$source_folder/tests/cli/tiny.ini
check_outputs() { /usr/bin/python3 "$source_folder/tests/cli/check_outputs.py" "$@"; }

# --- Help: on stdout, exit code 0, nothing on stderr
for command in localize run synth train eval info calibrate config convert post; do
    succeeds "help" "$atomloc" "$command" --help
    grep -q "^atomloc $command " stdout || fail "atomloc $command --help does not show its usage"
    [ -s stderr ] && fail "atomloc $command --help writes to stderr"
    "$atomloc" --help | grep -q "^  $command " || fail "atomloc --help does not list $command"
done
succeeds "version" "$atomloc" --version
"$atomloc" >stdout 2>stderr
[ $? -eq 2 ] && [ ! -s stdout ] || fail "without a command: usage on stderr, exit code 2"

# --- The template, and the resolved configuration, read back to the same values
succeeds "template" "$atomloc" config
mv stdout template.ini
succeeds "template read back" "$atomloc" config -c template.ini
mv stdout resolved.ini
succeeds "resolved read back" "$atomloc" config -c resolved.ini
cmp -s stdout resolved.ini || fail "a resolved configuration does not read back to itself"
succeeds "set" "$atomloc" config -c resolved.ini --set train.steps=77 --threads 3 --set train.steps=78
grep -q '^steps = 78$' stdout || fail "the last --set does not win"
grep -q '^threads = 3$' stdout || fail "--threads is not run.threads"
for config in "$source_folder"/configs/*.ini; do
    succeeds "$config" "$atomloc" config -c "$config"
done

# --- Movies: the same frames through every format; the same bytes again, and on one or two threads
succeeds "HDF5 stack" "$atomloc" synth -c "$tiny" -o movie.h5 --threads 1
succeeds "the same again" "$atomloc" synth -c "$tiny" -o again.h5 --threads 2
cmp -s movie.h5 again.h5 || fail "synth on 1 and 2 threads: other bytes (HDF5)"
succeeds "TIFF" "$atomloc" synth -c "$tiny" -o movie.tif --threads 2
succeeds "the same again" "$atomloc" synth -c "$tiny" -o again.tif --threads 1
cmp -s movie.tif again.tif || fail "synth on 1 and 2 threads: other bytes (TIFF)"
cmp -s movie_truth.px.csv again_truth.px.csv || fail "synth on 1 and 2 threads: other truth"
succeeds "another seed" "$atomloc" synth -c "$tiny" -o other.tif --set run.seed=2
cmp -s movie.tif other.tif && fail "the seed changes nothing"

succeeds "info" "$atomloc" info movie.tif
grep -qE '^frames: +96$' stdout && grep -qE '^pixel size: +100 nm$' stdout ||
    fail "info of the TIFF: $(cat stdout)"
succeeds "info" "$atomloc" info movie.h5
grep -qE '^truth: +yes$' stdout || fail "info of the stack does not see its truth"
succeeds "stack to TIFF" "$atomloc" convert movie.h5 from_h5.tif
succeeds "TIFF to stack" "$atomloc" convert from_h5.tif back.h5
succeeds "stack to TIFF" "$atomloc" convert back.h5 back.tif
cmp -s from_h5_truth.px.csv movie_truth.px.csv || fail "convert lost the truth"
succeeds "a part" "$atomloc" convert movie.h5 part.h5 --set input.first_frame=10 --set input.frame_count=20
succeeds "info" "$atomloc" info part.h5
grep -qE '^frames: +20$' stdout || fail "a part of a movie has the wrong length"
/usr/bin/python3 - <<'END' || fail "frames differ between the formats"
import h5py
with h5py.File("movie.h5") as a, h5py.File("back.h5") as b, h5py.File("part.h5") as c:
    assert (a["frames"][:] == b["frames"][:]).all()
    assert (a["frames"][10:30] == c["frames"][:]).all()
    truth = a["truth"][:]
    assert (truth["frame"][(truth["frame"] >= 10) & (truth["frame"] < 30)] - 10 == c["truth"]["frame"]).all()
END
check_outputs stack movie.h5 movie_truth.px.csv || fail "h5py does not see the stack's truth"

# --- Tables: round trips through every format
nm='--set camera.pixel_size_nm=100'
succeeds "truth to Picasso" "$atomloc" convert movie.h5 t.csv
succeeds "truth to Picasso" "$atomloc" convert t.csv t.hdf5 $nm
succeeds "truth to ThunderSTORM" "$atomloc" convert t.hdf5 u.csv
succeeds "ThunderSTORM to plain" "$atomloc" convert u.csv v.px.csv $nm
check_outputs picasso t.hdf5 movie_truth.px.csv || fail "Picasso's way of reading t.hdf5"
check_outputs thunderstorm u.csv movie_truth.px.csv 100 || fail "ThunderSTORM's CSV u.csv"
succeeds "eval" "$atomloc" eval movie.h5 v.px.csv
grep -qE '^Jaccard .* 1\.0000 +1\.0000' stdout || fail "a table that went through every format scores below 1"
succeeds "eval as JSON" "$atomloc" eval movie_truth.px.csv u.csv --json $nm
/usr/bin/python3 -c 'import json, sys; json.load(open("stdout"))' || fail "eval --json is not JSON"
succeeds "info of a table" "$atomloc" info t.hdf5
grep -qE '^kind: +table$' stdout || fail "info of a table"
succeeds "info of a table without a size" "$atomloc" info movie_truth.px.csv
grep -qE '^width: +unknown$' stdout || fail "a size that the table does not say: $(cat stdout)"
succeeds "picture" "$atomloc" convert t.hdf5 t.png
[ "$(head -c 4 t.png | od -An -tx1 | tr -d ' ')" = 89504e47 ] || fail "t.png is not a PNG"
succeeds "config into a file" "$atomloc" config -o out.ini
cmp -s out.ini template.ini || fail "config -o writes something else"
nothing_left

finish
