#!/usr/bin/env bash
# Every mistake of a user's data gives one clear message, exit code 1 (2 for usage), no output, no crash.
. "$(dirname "$0")/common.sh"
tiny=$source_folder/tests/cli/tiny.ini
make_tiff() { /usr/bin/python3 "$source_folder/tests/cli/make_tiff.py" "$@"; }
localize() { "$atomloc" localize "$@" -c "$tiny"; }

# --- Movies
refuses 1 'missing\.tif.*No such file' localize missing.tif -o locs.csv
: >empty.tif
refuses 1 'empty\.tif.*empty' localize empty.tif -o locs.csv
echo 'this is not an image' >text.tif
refuses 1 'text\.tif' localize text.tif -o locs.csv
refuses 1 'text\.tif' "$atomloc" info text.tif
: >empty.h5
refuses 1 'empty\.h5' "$atomloc" info empty.h5
printf '\211HDF\r\n\032\nrubbish' >broken.h5
refuses 1 'broken\.h5' "$atomloc" info broken.h5
make_tiff other_size.tif u16 16x16=ramp 16x16=ramp 16x12=ramp
refuses 1 'other_size\.tif.*(page|frame) (2|3)' localize other_size.tif -o locs.csv
make_tiff nan.tif f32 16x16=ramp 16x16=nan
refuses 1 'nan\.tif.*(frame|page) (1|2).*' localize nan.tif -o locs.csv
grep -q 'NaN\|nan\|finite' stderr || fail "the message on a NaN pixel does not say so"
make_tiff even.tif u16 32x32=zero 32x32=zero
refuses 1 'no pixel of the movie differs from its background' localize even.tif -o locs.csv
make_tiff unknown_pixels.tif u16 32x32=ramp 32x32=ramp # said before hours of training, not behind them
refuses 1 'locs\.csv: .*pixel size is unknown' "$atomloc" localize unknown_pixels.tif -o locs.csv
nothing_left locs.csv locs.png locs_blocks.png locs_model.h5 locs.journal

# --- A truncated stack gives its whole frames when asked
succeeds "synthesize" "$atomloc" synth -c "$tiny" -o movie.tif
size=$(stat -c %s movie.tif)
head -c $((size * 2 / 3)) movie.tif >cut.tif
refuses 1 'cut\.tif.*(truncated|cut off)' localize cut.tif -o locs.csv
grep -q -- '--allow-truncated' stderr || fail "the message on a truncated stack does not say what to do"
succeeds "a truncated stack" "$atomloc" info cut.tif --allow-truncated
frames=$(sed -n 's/^frames: *//p' stdout)
[ "${frames:-0}" -gt 32 ] && [ "${frames:-0}" -lt 96 ] || fail "cut.tif has $frames whole frames"
succeeds "a stack" "$atomloc" synth -c "$tiny" -o movie.h5
head -c $(($(stat -c %s movie.h5) / 2)) movie.h5 >cut.h5
refuses 1 'cut\.h5' localize cut.h5 -o locs.csv
nothing_left locs.csv locs_model.h5

# --- An all-zero page in the middle is a frame without emitters
/usr/bin/python3 - <<'END' || fail "could not blank a page"
data = bytearray(open("movie.tif", "rb").read())
import struct
at, page = struct.unpack_from("<I", data, 4)[0], 0
while page < 40:
    count = struct.unpack_from("<H", data, at)[0]
    at, page = struct.unpack_from("<I", data, at + 2 + 12 * count)[0], page + 1
tags = {}
for i in range(struct.unpack_from("<H", data, at)[0]):
    tag, kind, count, value = struct.unpack_from("<HHII", data, at + 2 + 12 * i)
    tags[tag] = (kind, count, value & 0xFFFF if kind == 3 and count == 1 else value)
kind, count, first = tags[273]
if count == 1:
    start = first
else:
    start = struct.unpack_from("<I" if kind == 4 else "<H", data, first)[0]
length = 32 * 32 * 2
data[start:start + length] = bytes(length)
open("zero.tif", "wb").write(data)
END
succeeds "an all-zero page" localize zero.tif -o zero.px.csv --set train.steps=30
[ -s zero.px.csv ] || fail "no table of the movie with a zero page"
[ "$(awk -F, 'NR > 1 && $1 == 40' zero.px.csv | wc -l)" -eq 0 ] || fail "emitters in an all-zero page"
make_tiff all_zero.tif u16 $(for _ in $(seq 40); do echo 32x32=zero; done)
"$atomloc" localize all_zero.tif -o all_zero.px.csv -c "$tiny" --set train.steps=2 >stdout 2>stderr
code=$?
[ "$code" -le 1 ] || fail "a movie without light: exit code $code"
[ "$code" -eq 0 ] || nothing_left all_zero.px.csv

# --- Models
refuses 1 'missing\.h5.*No such file' localize movie.tif -o locs.csv --model missing.h5
refuses 1 'movie\.h5' localize movie.tif -o locs.csv --model movie.h5
refuses 1 'movie\.tif' localize movie.tif -o locs.csv --model movie.tif
refuses 1 'text\.tif' localize movie.tif -o locs.csv --model text.tif
refuses 1 '(choose|remove).*movie\.h5' "$atomloc" train movie.tif -o movie.h5 -c "$tiny"
succeeds "the movie that a model was to replace" "$atomloc" info movie.h5
refuses 1 'zero_model\.h5.*times.*--model' localize movie.tif -o locs.csv --model zero_model.h5 --set camera.gain=50
# The published network is for frames of 64x64; the movie's are 32x32.
refuses 1 '64' localize movie.tif -o locs.csv --set model.kind=paper_spikes_64
nothing_left locs.csv locs.px.csv locs.png locs.journal

# --- Configurations
printf '[train]\nsteps = 5\n\n[localize]\nsead_threshold = 3\n' >misspelt.ini
refuses 1 'misspelt\.ini:5:.*sead_threshold.*seed_threshold' "$atomloc" train movie.tif -o m.h5 -c misspelt.ini
printf '[trian]\nsteps = 5\n' >section.ini
refuses 1 'section\.ini:1:.*trian.*train' "$atomloc" config -c section.ini
printf '[train]\nsteps = 5 apples\n' >junk.ini
refuses 1 'junk\.ini:2:.*steps' "$atomloc" config -c junk.ini
printf '[train]\nsteps = 5\nsteps = 6\n' >twice.ini
refuses 1 'twice\.ini:3:.*steps' "$atomloc" config -c twice.ini
refuses 2 'train\.stesp|stesp.*steps' "$atomloc" config --set train.stesp=5
refuses 2 'range|between|0 to|1 to' "$atomloc" config --set train.steps=-5
refuses 2 'rate' "$atomloc" config --set train.rate=nan
refuses 2 'stesp|assign|section\.key' "$atomloc" config --set stesp
refuses 1 'missing\.ini.*No such file' "$atomloc" run missing.ini
refuses 1 'dance' "$atomloc" run "$tiny" -o out --set 'run.stages=synth, dance'
refuses 1 'run\.truth' "$atomloc" run "$tiny" -o out --set 'run.stages=train,localize,eval' --set input.path=movie.tif

# --- Command lines
refuses 2 'no command' "$atomloc" lokalize movie.tif
refuses 2 'no output' "$atomloc" localize movie.tif
refuses 2 'too few' "$atomloc" localize -o locs.csv
refuses 2 'several movies' "$atomloc" localize movie.tif cut.tif -o locs.csv
refuses 2 'unknown option' "$atomloc" localize movie.tif --fast -o locs.csv
refuses 2 'needs a value' "$atomloc" localize movie.tif -o
refuses 2 'has no option' "$atomloc" info movie.tif --json

# --- Outputs that cannot be written: said before the work
refuses 1 'nowhere' localize movie.tif -o nowhere/locs.csv
mkdir folder.csv
refuses 1 'folder\.csv.*folder' localize movie.tif -o folder.csv
mkdir beside.png
refuses 1 'beside\.png.*folder' localize movie.tif -o beside.csv
nothing_left beside.csv beside_model.h5
ln movie.h5 same_movie.hdf5
cp movie.h5 movie_before.h5
refuses 2 'movie\.h5.*replace the input' localize movie.h5 -o movie.h5
refuses 2 'same_movie\.hdf5.*replace the input' localize movie.h5 -o same_movie.hdf5
refuses 2 'movie\.h5.*replace the input' localize movie.tif -o movie.h5 --model movie.h5
refuses 2 'movie\.h5.*replace the input' "$atomloc" train movie.h5 -o movie.h5 -c "$tiny"
refuses 2 'movie\.h5.*replace the input' "$atomloc" convert movie.h5 ./movie.h5
refuses 2 'movie\.h5.*replace the input' "$atomloc" eval movie_truth.px.csv movie.h5 -o movie.h5
cmp movie.h5 movie_before.h5 || fail "the movie was changed"
refuses 1 'locs\.xyz' localize movie.tif -o locs.xyz
refuses 1 'nowhere' "$atomloc" train movie.tif -o nowhere/m.h5 -c "$tiny"
refuses 1 'nowhere' "$atomloc" synth -o nowhere/m.h5 -c "$tiny"
refuses 1 'stdout' sh -c "'$atomloc' config >/dev/full"

# --- A full disk, as a limit of the size of files (in blocks of 1024 bytes)
limited() { (ulimit -f 40 && exec "$@"); }
refuses 1 'full\.tif' limited "$atomloc" synth -c "$tiny" -o full.tif
refuses 1 'full\.h5' limited "$atomloc" synth -c "$tiny" -o full.h5
refuses 1 'full_model\.h5' limited "$atomloc" train movie.tif -o full_model.h5 -c "$tiny" --set train.steps=2
nothing_left full.tif full.h5 full_model.h5

finish
