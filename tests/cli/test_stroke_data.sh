#!/usr/bin/env bash
# Images of strokes: made, converted, their truth and labels kept.
. "$(dirname "$0")/common.sh"

# --- Made by us
small=(--set synth.kind=strokes --set synth.frames=40 --set synth.height=64 --set synth.width=64)
succeeds "strokes" "$atomloc" synth -o made.h5 "${small[@]}"
succeeds "info" "$atomloc" info made.h5
grep -q '^truth: *pen strokes' stdout || fail "the truth is not said"
succeeds "a part" "$atomloc" convert made.h5 part.h5 --set input.first_frame=7 --set input.frame_count=9 \
    --set input.roi=2,3,60,50
/usr/bin/python3 - <<'PY' || fail "the strokes of a part are not those of the whole"
import h5py, numpy as np
whole, part = h5py.File("made.h5"), h5py.File("part.h5")
assert np.array_equal(part["frames"][:], whole["frames"][7:16, 3:53, 2:62])
rows = whole["truth"][:]
rows = rows[(rows["frame"] >= 7) & (rows["frame"] < 16)]
got = part["truth"][:]
assert len(got) == len(rows) and np.array_equal(got["frame"] + 7, rows["frame"])
assert all(np.allclose(got[f"x{i}"] + 2, rows[f"x{i}"]) and np.allclose(got[f"y{i}"] + 3, rows[f"y{i}"]) for i in range(4))
PY
refuses 1 'has a truth in pixels' "$atomloc" convert made.h5 tiny.h5 --set input.size_px=32

# --- Pen trajectories, drawn, with their labels; as IDX beside its labels they are the same images
printf '.SEGMENT DIGIT 0 ? "4"\n.PEN_DOWN\n0 0\n10 40\n.PEN_UP\n.SEGMENT DIGIT 1 ? "7"\n.PEN_DOWN\n0 0\n30 0\n9 9\n.PEN_UP\n' >pen.txt
succeeds "pen trajectories" "$atomloc" convert pen.txt pen.h5 --set input.size_px=32
/usr/bin/python3 - <<'PY' || fail "labels or images of pen trajectories"
import gzip, struct, h5py
pen = h5py.File("pen.h5")
assert list(pen["labels"]) == [4, 7] and pen["frames"].shape == (2, 32, 32) and pen["frames"][0].max() == 255
with gzip.open("a-images-idx3-ubyte.gz", "wb") as f:
    f.write(struct.pack(">4B3I", 0, 0, 8, 3, 2, 32, 32) + pen["frames"][:].astype("u1").tobytes())
with open("a-labels-idx1-ubyte", "wb") as f:
    f.write(struct.pack(">4BI2B", 0, 0, 8, 1, 2, 4, 7))
PY
succeeds "IDX" "$atomloc" convert a-images-idx3-ubyte.gz idx.h5 --set input.first_frame=1
/usr/bin/python3 - <<'PY' || fail "labels or images of IDX"
import h5py, numpy as np
assert list(h5py.File("idx.h5")["labels"]) == [7]
assert np.array_equal(h5py.File("idx.h5")["frames"][0], h5py.File("pen.h5")["frames"][1])
PY
succeeds "labels do not fit into TIFF" "$atomloc" convert a-images-idx3-ubyte.gz idx.tif
grep -q 'an .h5 stack' stderr || fail "nothing is said of labels that are left out"

finish
