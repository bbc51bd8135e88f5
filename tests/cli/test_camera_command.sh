#!/usr/bin/env bash
# Maps of a camera from its dark frames and flat fields, and the file that names them.
. "$(dirname "$0")/common.sh"
maker="$source_folder/tests/cli/make_camera.py"
/usr/bin/python3 "$maker" make . || { [ $? -eq 77 ] && exit 0; fail "the movies were not made"; }

succeeds "camera" "$atomloc" camera dark*.tif flat*.tif -o cam.ini --set camera.qe=0.8 --set camera.name=Prime
grep -q '^gain: *0\.[45]' stdout && grep -qE '^ +[456]\.[0-9]+ % between pixels' stdout || { fail "not the gain"; cat stdout; }
/usr/bin/python3 "$maker" check . || fail "the maps are not the camera's"
cp cam_gain.tif one_thread.tif
succeeds "again" "$atomloc" camera dark*.tif flat*.tif -o cam.ini --threads 1 --set camera.qe=0.8 --set camera.name=Prime
cmp -s cam_gain.tif one_thread.tif || fail "the maps depend on the number of threads"

# The file is below the INI and above the movie's; maps lie beside it.
mkdir sub
mv cam* sub
succeeds "used" "$atomloc" info movie.tif --set camera.file=sub/cam.ini --set camera.qe=0.7
grep -q 'quantum efficiency: *0.7$' stdout && grep -q 'camera: *Prime$' stdout && grep -qE 'camera offset: *(399|400)' stdout ||
    { fail "camera.file is not used, or above the INI"; cat stdout; }
succeeds "resolved" "$atomloc" config --set camera.file=sub/cam.ini
grep -q '^gain_map = sub/cam_gain.tif' stdout || fail "the maps are not those beside the file"

# Without flats the gain must be said
succeeds "darks alone" "$atomloc" camera dark.tif -o dark.ini --set camera.gain=0.5
grep -q '^gain = 0.5$' dark.ini || fail "the gain that was given is not in the file"
refuses 2 'no flat fields, so the gain must be given' "$atomloc" camera dark.tif -o no.ini
refuses 2 'movie.tif: is it dark, or a flat field' "$atomloc" camera movie.tif -o no.ini
refuses 2 'no dark frames' "$atomloc" camera flat_1.tif -o no.ini
refuses 2 'no.tif: a camera.s file is an .ini' "$atomloc" camera dark.tif flat_1.tif -o no.tif
cp dark.tif flat_dark_no.tif && mv flat_dark_no.tif flatter.tif
refuses 1 'flatter.tif: ' "$atomloc" camera dark2.tif flatter.tif -o no.ini
cp movie.tif dark_short.tif
refuses 1 'dark_short.tif: has 3 frames; at least 10' "$atomloc" camera dark_short.tif flat_1.tif -o no.ini
echo 'file = x.ini' | cat <(echo '[camera]') - >nested.ini
refuses 1 'nested.ini: names another camera.file' "$atomloc" info movie.tif --set camera.file=nested.ini
refuses 1 'nowhere.ini' "$atomloc" info movie.tif --set camera.file=nowhere.ini
nothing_left no.ini no_gain.tif no_offset.tif
finish
