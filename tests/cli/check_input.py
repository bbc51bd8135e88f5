"""Localizations of a part of a movie, and frames cut out of it, against the whole.

check_input.py near TRUTH.px.csv FOUND.px.csv X Y W H   most emitters of that region are found, without bias, none outside
check_input.py cut WHOLE.h5 PART.h5 X Y W H FIRST COUNT
check_input.py grow FROM.tif TO.tif FRAMES SECONDS         copies page by page, as slowly as a camera
"""
import csv
import sys
import time


def rows(path):
    with open(path) as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def near(truth_path, found_path, x, y, w, h):
    x, y, w, h = map(float, (x, y, w, h))
    truth, found = rows(truth_path), rows(found_path)
    assert all(x - 2 < r["x_px"] < x + w + 1 and y - 2 < r["y_px"] < y + h + 1 for r in found), "outside of the region"
    inside = [t for t in truth if x + 2 < t["x_px"] < x + w - 3 and y + 2 < t["y_px"] < y + h - 3]
    hits, dx, dy = 0, 0, 0
    for t in inside:
        close = [(abs(f["x_px"] - t["x_px"]) + abs(f["y_px"] - t["y_px"]), f) for f in found if f["frame"] == t["frame"]]
        distance, f = min(close, key=lambda pair: pair[0], default=(9, None))
        if distance < 0.7:
            hits, dx, dy = hits + 1, dx + f["x_px"] - t["x_px"], dy + f["y_px"] - t["y_px"]
    print("%d of %d, mean error %.3f %.3f px" % (hits, len(inside), dx / hits, dy / hits))
    # lateral error of one is below 0.15 px; a half pixel of the binning's or an origin would be 0.5 px and more
    assert hits > 0.85 * len(inside) > 10, "too few"
    assert abs(dx / hits) < 0.1 and abs(dy / hits) < 0.1, "biased"


def cut(whole, part, x, y, w, h, first, count):
    import h5py

    x, y, w, h, first, count = map(int, (x, y, w, h, first, count))
    wanted = h5py.File(whole, "r")["frames"][first:first + count, y:y + h, x:x + w]
    got = h5py.File(part, "r")
    assert got["frames"].shape == wanted.shape and (got["frames"][:] == wanted).all(), "other pixels"
    truth, all_truth = got["truth"][:], h5py.File(whole, "r")["truth"][:]
    kept = [t for t in all_truth if first <= t["frame"] < first + count and x - 0.5 <= t["x"] < x + w - 0.5
            and y - 0.5 <= t["y"] < y + h - 0.5]
    assert len(truth) == len(kept) and all(abs(a["x"] - b["x"] + x) < 1e-9 and a["frame"] == b["frame"] - first
                                           for a, b in zip(truth, kept)), "other truth"


def grow(source, target, frames, seconds):
    import tifffile

    stack = tifffile.imread(source)
    with tifffile.TiffWriter(target) as out:
        for i in range(int(frames)):
            out.write(stack[i], photometric="minisblack", contiguous=False, metadata=None)
            out.filehandle.flush()
            time.sleep(float(seconds) / int(frames))


try:
    globals()[sys.argv[1]](*sys.argv[2:])
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)
