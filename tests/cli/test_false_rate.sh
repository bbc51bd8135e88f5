#!/usr/bin/env bash
# localize.false_rate: so many false positives are found in a frame of noise, and it is said and kept.
. "$(dirname "$0")/common.sh"
tiny=$source_folder/tests/cli/tiny.ini
succeeds "movie" "$atomloc" synth -c "$tiny" -o movie.h5
succeeds "model" "$atomloc" train movie.h5 -o model.h5 -c "$tiny"
# ADU much finer than the noise: the background's robust level is one of the ADU values that occur
succeeds "noise" "$atomloc" synth -c "$tiny" -o noise.h5 --set synth.density=0 --set synth.frames=300 --set run.seed=7 \
    --set camera.gain=0.1
scale=$(/usr/bin/python3 -c 'import h5py; print(float(h5py.File("model.h5").attrs["image_scale"]))')
noise() { # RATE [ARGUMENTS]: the rows that noise makes
    local rate=$1
    shift
    succeeds "noise at $rate" "$atomloc" localize noise.h5 -o noise.hdf5 -c "$tiny" --model model.h5 \
        --set input.scale="$scale" --set camera.gain=0.1 --set localize.false_rate="$rate" "$@"
    sed -nE 's/^([0-9]+) localizations in 300 frames.*/\1/p' stderr
}
# within RATE COUNT: 3 standard deviations of a Poisson count of 300 frames, and 10 % more for the calibration's own count
within() {
    awk -v rate="$1" -v n="$2" 'BEGIN { m = 300 * rate; exit !((n - m) ^ 2 <= 9 * m + (0.1 * m) ^ 2) }' ||
        fail "$2 false positives in 300 frames, $1 a frame were asked for"
}
few=$(noise 0.2)
within 0.2 "$few"
grep -qE '^detection: 0\.2 false positives a frame by noise alone \([0-9]+ frames simulated\).*likelihood ratio of exp\([0-9.]+\)' stderr ||
    fail "the threshold is not said: $(grep detection stderr)"
grep -q '^False Positives Per Frame: 0\.2 of noise alone' noise.yaml || fail "the threshold is not kept"
some=$(noise 0.05 --threads 1)
within 0.05 "$some"
rare=$(noise 0.002) # too few to be counted among the simulated: by theory
[ "$rare" -le 4 ] || fail "$rare false positives in 300 frames, 0.6 are expected"
echo "$few at 0.2, $some at 0.05, $rare at 0.002 a frame"

# --- Emitters are still found
succeeds "emitters" "$atomloc" localize movie.h5 -o locs.hdf5 -c "$tiny" --model model.h5 --set localize.false_rate=0.01
succeeds "eval" "$atomloc" eval movie.h5 locs.hdf5 --fail-under jaccard=0.95
finish
