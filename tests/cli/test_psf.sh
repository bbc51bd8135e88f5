#!/usr/bin/env bash
# The PSF of a movie with wings: measured, written, fitted with, learned on the way; the atom of a model; mistakes.
. "$(dirname "$0")/common.sh"
python3 "$source_folder/tests/cli/make_wings.py" . || fail "the movie was not made"
camera=(--set camera.gain=1 --set camera.offset=0 --set camera.pixel_size_nm=100)
options=("${camera[@]}" --set train.steps=60 --set train.batch=4 --set train.warmup_steps=10)

# number LABEL: the number behind a label of what was printed
number() { sed -n "s/^$1 *\([0-9.]*\).*/\1/p" stdout | head -1; }

succeeds "psf" "$atomloc" psf wings.tif wings.csv -o psf.tif "${camera[@]}"
# the sum of both Gaussians, integrated over the pixel, falls to half its height at 2.890 / 2 px
near() { awk -v f="$1" 'BEGIN { exit !(f > 0.98 * 2.890 && f < 1.02 * 2.890) }'; }
near "$(number 'FWHM, mean:')" || fail "the mean FWHM is $(number 'FWHM, mean:') px, not 2.890"
grep -q 'explains the held-out frames worse' stdout || fail "the Gaussian is not said to be worse"
[ -s psf.png ] || fail "there is no figure"
python3 - <<'END' || fail "psf.tif is not as ImageJ and the fit read it"
import struct
data = open("psf.tif", "rb").read()
start, = struct.unpack_from("<I", data, 4)
tags = {}
for i in range(struct.unpack_from("<H", data, start)[0]):
    tag, kind, count, value = struct.unpack_from("<HHII", data, start + 2 + 12 * i)
    tags[tag] = value & 0xffff if kind == 3 else value
side = tags[256]
text = data[tags[270]:].split(b"\0")[0].decode()
per_um = struct.unpack_from("<II", data, tags[282])
pixels = struct.unpack_from("<%df" % (side * side), data, tags[273])
assert side == tags[257] and side % 8 == 1 and tags[258] == 32 and tags[339] == 3
assert text.startswith("ImageJ=") and "unit=um" in text and "psf_oversampling=4" in text
assert abs(per_um[0] / per_um[1] - 40) < 1e-3  # 25 nm a sample
assert abs(sum(pixels) / 16 - 1) < 1e-4 and max(pixels) == pixels[side * side // 2]
END

# Through the fit and back. A Gaussian needs several emitters for one: 128 there are.
found() { sed -n 's/.*: \([0-9]*\) localizations in 32 frames.*/\1/p; s/^\([0-9]*\) localizations in.*/\1/p' "$1"; }
succeeds "localize with a Gaussian" "$atomloc" localize wings.tif -o gauss.csv "${options[@]}" --set refine.psf=gaussian
cp stderr gauss.log
succeeds "localize with the PSF" "$atomloc" localize wings.tif -o spline.csv --model gauss_model.h5 "${options[@]}" \
    --set refine.psf=spline --set refine.psf_file=psf.tif
cp stderr spline.log
awk -v a="$(found gauss.log)" -v b="$(found spline.log)" 'BEGIN { exit !(a > 1.5 * 128 && b > 0.95 * 128 && b < 1.2 * 128) }' ||
    fail "of 128 emitters $(found gauss.log) are made with a Gaussian, $(found spline.log) with the PSF"

# Without being asked: the movie's own PSF where a Gaussian does not do
succeeds "localize" "$atomloc" localize wings.tif -o auto.csv --model gauss_model.h5 "${options[@]}" --set run.threads=2
grep -q 'PSF learned from' stderr || fail "the PSF is not learned"
cp stderr auto.log
awk -v n="$(found auto.log)" 'BEGIN { exit !(n > 0.95 * 128 && n < 1.2 * 128) }' ||
    fail "of 128 emitters $(found auto.log) are made with the learned PSF"
[ -s auto_psf.tif ] && [ -s auto_psf.png ] || fail "the learned PSF is not kept"
succeeds "by one thread" "$atomloc" localize wings.tif -o single.csv --model gauss_model.h5 "${options[@]}" \
    --set run.threads=1
cmp -s auto.csv single.csv && cmp -s auto_psf.tif single_psf.tif || fail "threads change what is learned"

# What the network has learned
succeeds "psf of a model" "$atomloc" psf gauss_model.h5 -o atom.tif "${camera[@]}"
grep -q 'the atom varies by:' stdout && [ -s atom.png ] || fail "the model's atom is not described"

# Mistakes
refuses 2 'no\.png: a PSF is written as \.tif or \.h5' "$atomloc" psf wings.tif wings.csv -o no.png
refuses 2 'a MOVIE and its LOCS' "$atomloc" psf wings.tif -o no.tif
refuses 2 'a MOVIE and its LOCS' "$atomloc" psf gauss_model.h5 wings.csv -o no.tif
refuses 2 'wings\.tif: the output would replace the input' "$atomloc" psf wings.tif wings.csv -o wings.tif
head -3 wings.csv >few.csv
refuses 1 'few|emitters|localizations' "$atomloc" psf wings.tif few.csv -o no.tif "${camera[@]}"
refuses 1 'wings\.tif: 32 images; a PSF is one' "$atomloc" localize wings.tif -o no.csv --model gauss_model.h5 \
    "${options[@]}" --set refine.psf=spline --set refine.psf_file=wings.tif
nothing_left no.tif no.csv no.png
finish
