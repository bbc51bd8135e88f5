#!/usr/bin/env bash
# Training from an earlier model of similar data gets farther in a quarter of the steps than training from scratch.
. "$(dirname "$0")/common.sh"
cat >small.ini <<'END'
[camera]
pixel_size_nm = 100
offset = 100
gain = 0.5
read_noise = 1
[synth]
frames = 64
height = 32
width = 32
density = 0.5
[train]
batch = 4
steps = 120
validation = 0.2
[calibrate]
samples = 300
max_degree = 2
END
train() { succeeds "train $2" "$atomloc" train "$1.h5" -o "$2.h5" -c small.ini --threads 1 "${@:3}"; }
held_out() { /usr/bin/python3 -c 'import h5py, sys; print(float(h5py.File(sys.argv[1])["curve"][-1, 2]))' "$1.h5"; }
succeeds "movie" "$atomloc" synth -c small.ini -o first.h5
succeeds "movie" "$atomloc" synth -c small.ini -o second.h5 --set run.seed=2 --set synth.photons=1500 --set synth.sigma_px=1.4
train first earlier
train second scratch --set train.steps=30
train second tuned --set train.steps=30 --model earlier.h5
grep -q 'starting from a model of 120 steps' stderr || fail "it is not said where it starts"
cp stderr said
scratch=$(held_out scratch) tuned=$(held_out tuned)
echo "held-out loss after 30 steps: $scratch from scratch, $tuned from a model of another movie"
# at 30 steps the loss from scratch has hardly begun to fall; a third less is far more than another seed changes
awk -v a="$tuned" -v b="$scratch" 'BEGIN { exit !(a < 0.67 * b) }' || fail "fine-tuning: $tuned, from scratch: $scratch"

# --- The key does the same, to the same bytes; the start is part of where a model comes from
train second again --set train.steps=30 --set train.from=earlier.h5
cmp -s tuned.h5 again.h5 || fail "--model and train.from give other bytes"
"$atomloc" info tuned.h5 | grep -q 'start xxh3' || fail "the start is not in the provenance"
cp scratch.h5 earlier.h5
train second again --set train.steps=30 --set train.from=earlier.h5
grep -q 'training again' stderr || fail "a model from another start is reused"
refuses 1 'none\.h5' "$atomloc" train second.h5 -o new.h5 -c small.ini --model none.h5
refuses 1 'second\.h5: not a model' "$atomloc" train second.h5 -o new.h5 -c small.ini --model second.h5
refuses 2 'earlier\.h5' "$atomloc" train second.h5 -o earlier.h5 -c small.ini --model earlier.h5
nothing_left new.h5

# --- A training that learns nothing is repeated with other numbers, and the best is kept; killed, it goes on to the same
idle=(--set train.steps=4 --set train.rate=1e-5 --set train.restarts=2 --set train.checkpoint_every=1)
train second idle "${idle[@]}"
[ "$(grep -c 'training again with other random numbers' stderr)" -eq 2 ] || fail "restarts: $(grep 'random numbers' stderr)"
for seed in 1 2 3; do
    train second "idle$seed" "${idle[@]}" --set train.restarts=0 --set run.seed=$seed
    held_out "idle$seed"
done >losses
sort -g losses | head -n 1 >best
held_out idle | cmp -s - best || fail "restarts keep $(held_out idle), the best of three is $(cat best)"
for at in 0.15 0.3 0.45; do
    timeout -s KILL $at "$atomloc" train second.h5 -o killed.h5 -c small.ini --threads 1 "${idle[@]}" >/dev/null 2>&1
done
train second killed "${idle[@]}"
cmp -s killed.h5 idle.h5 || fail "restarts that were killed go on to other bytes"
nothing_left idle.h5.checkpoint.best killed.h5.checkpoint.best killed.h5.checkpoint
train second enough --set train.steps=10 --set train.restarts=1 --set train.from=tuned.h5
grep -q 'random numbers' stderr && fail "a training that has learned is repeated"
finish
