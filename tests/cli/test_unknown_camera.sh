#!/usr/bin/env bash
# An unknown camera from the movie's own noise: printed with its error, kept with the table, used when asked for.
. "$(dirname "$0")/common.sh"
cat >small.ini <<'END'
[camera]
pixel_size_nm = 100
[synth]
frames = 100
height = 40
width = 48
density = 0.2
photons = 1500
background = 25
[train]
steps = 5
batch = 2
[localize]
seed_threshold = 6
[calibrate]
samples = 800
max_degree = 4
END
movie() { # its file does not say the camera
    succeeds "movie $1" "$atomloc" synth -c small.ini -o "$@" --set camera.offset=100 --set camera.gain=0.5
    /usr/bin/python3 - "$1" <<END
import h5py, sys
with h5py.File(sys.argv[1], "r+") as file:
    for name in ("offset", "gain", "em_gain", "qe", "read_noise"):
        for item in (file, file["frames"]):
            item.attrs.pop(name, None)
END
}
movie uneven.h5 --set synth.background_gradient=1.6 --set camera.read_noise=2
movie even.h5

# --- Found with its error, and not used unless wanted
succeeds "train" "$atomloc" train uneven.h5 -o model.h5 -c small.ini
grep -qE "^camera from the movie's noise: gain .*; localize.photons = estimate would use it" stderr ||
    fail "the camera is not estimated: $(grep camera stderr)"
line=$(grep "^camera from the movie's noise" stderr)
# 2 e- are 4 ADU: of these 2^2 / 0.5 = 8 ADU, and 1/12 ADU^2 of rounding, come off the offset where read noise is left out
/usr/bin/python3 - "$line" <<'END' || fail "wrong: $line"
import re, sys
gain, gain_se, zero, zero_se, read = map(float, re.search(
    r"gain (\S+) \+- (\S+) e-/ADU; offset (\S+) \+- (\S+) ADU .* at most (\S+) e-", sys.argv[1]).groups())
good = abs(gain - 0.5) < 3 * gain_se < 0.1 and abs(zero - (100 - 8 - 0.5 / 12)) < 3 * zero_se < 12 and read > 2
sys.exit(not good)
END
grep -q 'in ADU: the camera' stderr || fail "an estimate is used without being asked for"

# --- Used: photons as the true camera gives them, within the gain's error
succeeds "estimated" "$atomloc" localize uneven.h5 -o est.hdf5 -c small.ini --set localize.photons=estimate
grep -q 'in photons' stderr || fail "the estimate is not used"
grep -q 'photon columns are in ADU' stderr && fail "photons are called ADU"
grep -A2 "^Camera From Noise: " est.yaml | tr -d '\n' | grep -q '; used' || fail "est.yaml does not have the camera"
cp est_model.h5 model.h5
succeeds "known" "$atomloc" localize uneven.h5 -o known.hdf5 -c small.ini --model model.h5 --set camera.offset=100 \
    --set camera.gain=0.5 --set camera.read_noise=2
grep -q 'Camera From Noise' known.yaml && fail "a known camera is estimated"
/usr/bin/python3 - <<'END' || fail "photons of an estimated camera"
import h5py, numpy, sys
a, b = (numpy.median(h5py.File(n)["locs"]["photons"]) for n in ("est.hdf5", "known.hdf5"))
print("median photons %.0f estimated, %.0f known" % (a, b))
sys.exit(not (0.85 < a / b < 1.15))
END
succeeds "again" "$atomloc" train uneven.h5 -o est_model.h5 -c small.ini --set localize.photons=estimate
grep -q 'reused' stderr || fail "the same estimate trains again"
succeeds "in ADU" "$atomloc" train uneven.h5 -o est_model.h5 -c small.ini
grep -q 'training again' stderr || fail "a model of photons is reused for ADU"

# --- What many emitters take from the residuals is put back: 2 ADU of variance for one of signal, to three standard errors
# (a page that was not recorded is no noise)
movie crowded.h5 --set synth.density=2 --set synth.frames=40
/usr/bin/python3 -c 'import h5py; h5py.File("crowded.h5", "r+")["frames"][13] = 0'
succeeds "crowded" "$atomloc" localize crowded.h5 -o crowded.hdf5 -c small.ini --model model.h5 --set localize.seeds=peaks
slope=$(sed -n 's/.*noise variance \([0-9.]*\) (value.*/\1/p' stderr)
awk "BEGIN{exit !($slope > 1.76 && $slope < 2.24)}" || fail "a crowd's noise has a slope of $slope, not 2"
deviance=$(sed -n 's/^Deviance Over Noise: //p' crowded.yaml)
awk "BEGIN{exit !($deviance > 0.9 && $deviance < 1.15)}" || fail "a blank page counts as misfit: $deviance"

# --- An even background tells nothing: said, and an error where the estimate is wanted
refuses 1 'localize\.photons = estimate: .*cannot tell: the background, 14.* is too even; set camera.gain' \
    "$atomloc" localize even.h5 -o even.hdf5 -c small.ini --set localize.photons=estimate
finish
