#!/usr/bin/env bash
# Models of strokes: trained, evaluated and drawn by one command, on synthetic strokes and on digits from an IDX file;
# numbers are the same on one and two threads; the follow-up paper's network runs through the same evaluation.
. "$(dirname "$0")/common.sh"
configs=$source_folder/configs
short=(--set train.steps=6 --set figures.page_images=0 --set figures.pairs=4 --set figures.images=1 --set figures.sweep_image=1
    --set eval.refined_images=2 --set figures.to_image=3 --quiet)

# --- Strokes with truth
bezier=("${short[@]}" --set synth.frames=32 --set run.test_frames=6)
succeeds "synthetic strokes" "$atomloc" run "$configs/strokes_bezier.ini" -o one "${bezier[@]}" --threads 1
succeeds "again" "$atomloc" run "$configs/strokes_bezier.ini" -o two "${bezier[@]}" --threads 2
for name in model.h5 numbers.txt numbers.json blocks_1.png interpolation.png pairs.png; do
    cmp -s "one/$name" "two/$name" || fail "$name: other bytes on two threads"
done
/usr/bin/python3 - <<'PY' || fail "numbers.json of synthetic strokes"
import json
numbers = json.load(open("one/numbers.json"))
assert numbers["images"] == 6 and numbers["refined_images"] == 2 and numbers["interpolated_images"] == 40
assert 6 <= numbers["strokes"] <= 48 and numbers["blocks_per_image"] == 16 and numbers["latent"] == 6
assert not numbers["own_baseline"] and numbers["baseline_images"] == 32 and numbers["components"] == 31
rows = numbers["numbers"]
for kind in ("raw", "refined"):
    row = rows[kind]
    assert 0 <= row["iou"] <= 1 and 0 <= row["covered"] <= 1 and 0 <= row["overlap"] < 1
    assert row["relative_squared_error"] > 0
assert rows["refined"]["relative_squared_error"] < 1.5 * rows["raw"]["relative_squared_error"]
assert rows["pca"]["psnr_db"] > rows["mean_image"]["psnr_db"] > 5
PY

# --- Digits, beginning from another model; the largest of the blocks instead of their sum
/usr/bin/python3 - <<'PY'
import struct, random
random.seed(1)
images = bytearray()
for n in range(24):
    image = [[0] * 64 for _ in range(64)]
    x, y = random.randint(10, 50), random.randint(10, 20)
    for i in range(30):
        for dy in range(3):
            for dx in range(3):
                image[y + i + dy][min(63, x + dx + i * (n % 3) // 8)] = 255
    images += b"".join(map(bytes, image))
open("digits-images-idx3-ubyte", "wb").write(struct.pack(">4B3I", 0, 0, 8, 3, 24, 64, 64) + images)
PY
digits=("${short[@]}" --set input.path=digits-images-idx3-ubyte --set input.frame_count=16 --set run.test_first=16
    --set run.test_frames=6)
succeeds "digits" "$atomloc" run "$configs/strokes_digits_64.ini" -o digits "${digits[@]}" --set train.from=one/model.h5
succeeds "largest" "$atomloc" run "$configs/strokes_digits_64.ini" -o largest "${digits[@]}" --set model.encoder=convolutional \
    --set model.aggregation=max
/usr/bin/python3 - <<'PY' || fail "numbers.json of digits"
import json
for name, refined in (("digits", 2), ("largest", 0)):
    numbers = json.load(open(f"{name}/numbers.json"))
    assert numbers["images"] == 6 and numbers["refined_images"] == refined and numbers["baseline_images"] == 16, name
    assert numbers["numbers"]["raw"]["iou"] is None
PY
grep -q 'largest of the blocks' largest/numbers.txt || fail "numbers.txt does not say how blocks are joined"
refuses 2 'model.aggregation' "$atomloc" run "$configs/strokes_digits_64.ini" -o none "${digits[@]}" --set model.aggregation=max
refuses 1 'train.from: .*is not an HDF5 file' "$atomloc" run "$configs/strokes_digits_64.ini" -o none \
    "${digits[@]}" --set train.from=digits-images-idx3-ubyte

# --- The model of digits that comes with the configurations, on images that it was not trained on
pendigits=$source_folder/../shared/data/real/strokes/pendigits128-train-images-idx3-ubyte.gz
if [ -f "$pendigits" ]; then
    succeeds "digits that come along" "$atomloc" eval "$configs/strokes_digits_64.h5" "$pendigits" -o along --set input.size_px=64 \
        --set input.first_frame=1600 --set input.frame_count=16 "${short[@]}"
    /usr/bin/python3 - <<'PY' || fail "the digits that come along"
import json
numbers = json.load(open("along/numbers.json"))["numbers"]
assert numbers["raw"]["psnr_db"] > 18.5 and numbers["refined"]["psnr_db"] > 19.5 and numbers["raw"]["largest_part"] > 0.95
PY
fi

# --- The follow-up paper's network: what it is known to reach on MNIST's test images
reference=$source_folder/../shared/data/reference/followup_mnist_sum.h5
mnist=$source_folder/../shared/data/real/strokes/mnist-t10k-images-idx3-ubyte.gz
if [ -f "$reference" ] && [ -f "$mnist" ]; then
    succeeds "import" "$atomloc" convert "$reference" followup.h5
    succeeds "evaluation" "$atomloc" eval followup.h5 "$mnist" -o followup --set eval.images=64 --set eval.refined_images=0 \
        --set figures.page_images=0 --set figures.pairs=0 --set input.frame_count=64 --set figures.images=1 \
        --set figures.sweep_image=1 --set figures.to_image=3
    /usr/bin/python3 - <<'PY' || fail "the follow-up paper's network"
import json
raw = json.load(open("followup/numbers.json"))["numbers"]["raw"]
assert 0.014 < raw["relative_squared_error"] < 0.027 and 25.5 < raw["psnr_db"] < 28.5 and 15 < raw["active_blocks"] < 19
PY
    refuses 1 'model of ours' "$atomloc" convert followup.h5 again.h5
fi

finish
