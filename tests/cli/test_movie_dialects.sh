#!/usr/bin/env bash
# Movies as other programs write them, in one file or many: frames and what their files say of the camera.
. "$(dirname "$0")/common.sh"
dialects="$source_folder/tests/cli/dialects.py"
/usr/bin/python3 "$dialects" make . || { [ $? -eq 77 ] && exit 0; fail "the movies were not made"; }

while read -r name path; do
    succeeds "convert $path" "$atomloc" convert "$path" "$name.out.h5"
done <list.txt
succeeds "convert to TIFF" "$atomloc" convert imagej_uint16_be.tif ours.tif
succeeds "convert to OME-TIFF" "$atomloc" convert imagej_uint16_be.tif ours.ome.tif
/usr/bin/python3 "$dialects" check . || fail "frames are not what was written"

# says PATH PATTERN...: info has these lines
says() {
    local path=$1 pattern
    succeeds "info $path" "$atomloc" info "$path"
    for pattern in "${@:2}"; do
        grep -qE "^$pattern" stdout || { fail "info $path does not say $pattern"; cat stdout; }
    done
}
says imagej_uint16_be.tif 'pixel size: +160 nm'
says ome/run.ome.tif 'format: +TIFF in 3 files' 'frames: +12$' 'pixel size: +110 nm' 'exposure: +50 ms' 'camera: +Prime 95B'
says renamed/day.ome.tif 'format: +TIFF in 3 files' 'frames: +12$' 'exposure: +2.5 ms'
says mm/x_MMStack_Pos0.ome.tif 'format: +TIFF in 2 files' 'pixel size: +107 nm' 'exposure: +30 ms' 'camera: +Andor iXon'
says numbered 'format: +TIFF in 12 files' 'frames: +12$'
says picasso_be.raw 'pixel size: +130 nm' 'camera offset: +100 ADU' 'camera gain: +0.5' 'quantum efficiency: +0.9'
says ours.ome.tif 'pixel size: +160 nm' 'frames: +12$'
succeeds "INI above the file" "$atomloc" info ome/run.ome.tif --set camera.pixel_size_nm=99 --set camera.exposure_ms=7
grep -q 'pixel size: *99 nm' stdout && grep -q 'exposure: *7 ms' stdout || fail "the file is above the INI"

# Each file of a movie counts in its hash, and only what is in them.
succeeds "info" "$atomloc" info decode
before=$(grep xxh3 stdout)
mv decode elsewhere
succeeds "info" "$atomloc" info elsewhere
[ "$before" = "$(grep xxh3 stdout)" ] || fail "the hash depends on the folder's name"
printf x >>elsewhere/x_1.tif
succeeds "info" "$atomloc" info elsewhere
[ "$before" != "$(grep xxh3 stdout)" ] || fail "the last file is not hashed"

# What is no movie, or not all of one
refuses 1 'stacks: there are stacks of several frames' "$atomloc" info stacks
refuses 1 'there are several movies \(big_be.tif, big_le.tif\)' "$atomloc" info './*.tif'
refuses 1 'no such.*: there are no .tif files' "$atomloc" info 'no such*.tif'
cp imagej_uint16_le.tif numbered/img_t13_c0.tif
refuses 1 'numbered: there are stacks of several frames' "$atomloc" convert numbered no.h5
rm ome/run_1.ome.tif
refuses 1 'run_1.ome.tif: .*No such file' "$atomloc" info ome/run.ome.tif
refuses 1 'run_1.ome.tif: .*No such file' "$atomloc" convert ome/run.ome.tif no.h5
succeeds "what is there" "$atomloc" info ome/run.ome.tif --allow-truncated
grep -q 'frames: *5$' stdout && grep -q 'missing frames: *7 ' stdout || { fail "not the frames of the first part"; cat stdout; }
rm picasso_le.yaml
refuses 1 'picasso_le.raw: needs picasso_le.yaml beside it' "$atomloc" info picasso_le.raw
truncate -s -100 picasso_be.raw
refuses 1 'frame 11 \(counting from 0\) is cut off' "$atomloc" info picasso_be.raw
succeeds "the whole frames" "$atomloc" info picasso_be.raw --allow-truncated
grep -q 'frames: *11$' stdout || fail "not eleven whole frames"
sed -i 's/uint16/complex64/' picasso_be.yaml
refuses 1 'Data Type is "complex64"' "$atomloc" info picasso_be.raw
nothing_left no.h5
finish
