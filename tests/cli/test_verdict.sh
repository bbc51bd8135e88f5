#!/usr/bin/env bash
# localize knows when it does not know: a verdict at the end, in the outputs, and a file and a page behind it.
. "$(dirname "$0")/common.sh"
cat >small.ini <<'END'
[camera]
pixel_size_nm = 100
offset = 100
gain = 0.5
read_noise = 1
[synth]
frames = 70
height = 24
width = 28
count_law = density
density = 0.6
amplitude_law = lognormal
photons = 1000
photons_spread = 0.3
background = 10
[train]
steps = 250
batch = 4
[calibrate]
samples = 800
max_degree = 4
END
movie() { succeeds "movie $1" "$atomloc" synth -c small.ini -o "$@"; }
movie sigma1.h5 --set synth.sigma_px=1
movie sigma2.h5 --set synth.sigma_px=2
movie bright.h5 --set synth.sigma_px=1 --set synth.photons=9000 --set synth.photons_max=20000
localize() { succeeds "localize $1" "$atomloc" localize "$1.h5" -o "$2.hdf5" -c small.ini "${@:3}"; }
# number NAME FILE: an attribute of a file about a fit; is NAME FILE 'CONDITION of v'
number() { /usr/bin/python3 -c 'import h5py, sys; print(float(h5py.File(sys.argv[2]).attrs[sys.argv[1]]))' "$@"; }
is() { awk -v v="$(number "$1" "$2")" "BEGIN { exit !($3) }" || fail "$2: $1 is $(number "$1" "$2"), not $3"; }

# --- A movie and the model that learned on it: no complaint, and the fit leaves what noise makes
localize sigma1 own --threads 2
grep -q '^verdict: fits: ' stderr || fail "no verdict, or a wrong one, on a model's own movie: $(cat stderr)"
grep -q 'warning: verdict' stderr && fail "a model's own movie is warned about"
grep -q "^Verdict: 'fits: " own.yaml || fail "no verdict in own.yaml"
/usr/bin/python3 -c 'import h5py, sys; sys.exit("Verdict: fits: " not in str(h5py.File("own.hdf5").attrs["notes"]))' ||
    fail "no verdict in own.hdf5"
# of 47040 pixels (0.7 %); the rest is for what the movie's background and density leave, which noise does not make
is deviance own_fit.h5 'v > 0.97 && v < 1.03'
is unexplained own_fit.h5 'v > -0.01 && v < 0.01'
is photons_factor own_fit.h5 'v > 0.8 && v < 1.25'
is from_residual own_fit.h5 'v < 0.2'
is level own_fit.h5 'v == 1'

# --- The same bytes for any number of threads, and with --follow the same fit
cp own_model.h5 model.h5
localize sigma1 one --model model.h5 --threads 1
cmp -s one_fit.h5 own_fit.h5 || fail "one thread and two: other bytes"
cmp -s one.yaml own.yaml || fail "one thread and two: other bytes in the side file"
succeeds "convert" "$atomloc" convert sigma1.h5 sigma1.tif
succeeds "follow" "$atomloc" localize sigma1.tif -o followed.hdf5 -c small.ini --model model.h5 --follow \
    --set input.follow_s=0.1
/usr/bin/python3 - <<'END' || fail "--follow gives another fit"
import h5py, numpy, sys
a, b = h5py.File("one_fit.h5"), h5py.File("followed_fit.h5")
sys.exit(not (numpy.array_equal(a["maps/deviance"], b["maps/deviance"]) and
              numpy.array_equal(a["frames/deviance"], b["frames/deviance"]) and len(a["frames/chi2"]) == 70))
END

# --- A model of sigma 1 on spots of sigma 2: warned, with the reason and what to do
localize sigma2 wide --model model.h5
grep -qE 'warning: verdict: does not fit: .*sigma of (1\.9|2\.0)[0-9] px, .* of (0\.9|1\.[01])[0-9] px; train on this movie' stderr ||
    fail "a model of sigma 1 on spots of sigma 2: $(grep verdict stderr)"
grep -q "^Verdict: .does not fit: " wide.yaml || fail "no verdict in wide.yaml"

# --- Brightness that the network has never seen; nothing found
localize bright bright --model model.h5
grep -q 'warning: verdict: .* times as bright as those it was trained on' stderr || fail "bright: $(grep verdict stderr)"
localize sigma1 nothing --model model.h5 --set localize.seed_threshold=1e6 --set refine.rounds=0
grep -q '^verdict: cannot tell: no emitter was found' stderr || fail "an empty movie: $(grep verdict stderr)"

# --- The page of the table draws it
succeeds "post" "$atomloc" post wide.hdf5 quality -o page.hdf5
for word in 'Does the fit explain the data' 'does not fit' 'frame by frame' 'What the network sees'; do
    grep -q "$word" page_report.html || fail "the page has no \"$word\""
done
grep -q 'Verdict: .does not fit' page.yaml || fail "post does not keep the verdict"
nothing_left own.journal page_quality_fit_map.png
echo x >own_fit.h5
refuses 1 'own_fit\.h5' "$atomloc" post own.hdf5 quality -o page2.hdf5

finish
