"""An sCMOS camera's dark frames and flat fields, and what `atomloc camera` makes of them.

make_camera.py make FOLDER    writes dark.tif, dark2.tif, flat_1.tif, flat_2.tif, flat_4.tif under a lamp that flickers
make_camera.py check FOLDER   compares cam_*.tif with the truth
"""
import os
import sys

try:
    import numpy as np
    import tifffile
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

H, W, N, SPREAD, LIGHT = 40, 48, 400, 0.05, 200
rng = np.random.default_rng(2385)
offset = 400 + rng.normal(0, 4, (H, W))
gain = 0.5 * np.exp(rng.normal(0, SPREAD, (H, W)))  # e- per ADU
variance = np.where(rng.random((H, W)) < 0.05, 200.0, 3.0)  # e-^2


def frames(count, light, flicker):
    lamp = light * (1 + flicker * rng.normal(0, 1, (count, 1, 1)))
    electrons = rng.poisson(lamp * np.ones((1, H, W))) + rng.normal(0, np.sqrt(variance), (count, H, W))
    return np.rint(offset + electrons / gain).astype(np.uint16)


def make(folder):
    tifffile.imwrite(os.path.join(folder, "dark.tif"), frames(N // 2, 0, 0))
    tifffile.imwrite(os.path.join(folder, "dark2.tif"), frames(N // 2, 0, 0))
    for level in (1, 2, 4):
        tifffile.imwrite(os.path.join(folder, "flat_%d.tif" % level), frames(N, LIGHT * level, 0.05))
    tifffile.imwrite(os.path.join(folder, "movie.tif"), frames(3, 50, 0), photometric="minisblack")


def check(folder):
    read = lambda name: tifffile.imread(os.path.join(folder, "cam_%s.tif" % name)).astype(float)
    # mean of N frames; read noise in ADU with rounding
    adu_sd = np.sqrt(variance / gain**2 + 1 / 12)
    wrong = (read("offset") - offset) / (adu_sd / np.sqrt(N))
    assert abs(np.std(wrong) - 1) < 0.1, "offset: %g standard errors" % np.std(wrong)
    # slope over levels 1, 2, 4: error of each variance sqrt(2 / N), weighted by the signal; then drawn to the median
    own = np.sqrt(2 / N) * np.sqrt(1 + 2**4 + 4**4) / (1 + 2**2 + 4**2)
    best = 1 / np.sqrt(1 / own**2 + 1 / SPREAD**2)
    rms = np.sqrt(np.mean((read("gain") / gain - 1) ** 2))
    assert rms < 1.1 * best, "gain: %.2f %% where %.2f %% are possible" % (100 * rms, 100 * best)
    ratio = read("variance") / (variance + gain**2 / 12)
    assert abs(np.median(ratio) - 1) < 0.03, "variance: %g times the true one" % np.median(ratio)
    assert abs(np.std(ratio) / np.sqrt(2 / N + 4 * best**2) - 1) < 0.15, "variance spreads by %g" % np.std(ratio)
    print("gain to %.2f %%, possible %.2f %%" % (100 * rms, 100 * best))


{"make": make, "check": check}[sys.argv[1]](sys.argv[2])
