"""Emitters at known places through a whole run and every table format, read as each format's own programs do.

check_formats.py make MOVIE.tif      a movie of 40 x 24 pixels (width x height) of the emitters below
check_formats.py check STEM          STEM.hdf5, .csv, .decode.h5, .challenge.csv, .px.csv
check_formats.py whole STEM          the columns that only some formats have
Frames, axes and the half pixel differ between formats: a mistake in any of them moves emitters far away,
because places depend on the frame and on the axis. Exit 77: a module is missing.
"""
import sys

try:
    import h5py
    import numpy as np
    import pandas as pd
    import tables
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

WIDTH, HEIGHT, FRAMES, SIGMA, PHOTONS, BACKGROUND, PIXEL_NM = 40, 24, 120, 1.3, 3000, 10, 110
OFFSET, GAIN = 100, 0.5  # ADU, electrons per ADU


def places(frame):
    """x, y in px, pixel centres at integers: three emitters, well apart, that move with the frame."""
    shift = np.array([0.37 * (frame % 11), 0.23 * (frame % 7)])
    return np.array([[6.2, 5.3], [19.6, 14.1], [31.4, 6.9]]) + shift


def spot(centre, size):
    from math import erf, sqrt
    edges = np.array([erf((i - 0.5 - centre) / (sqrt(2) * SIGMA)) for i in range(size + 1)])
    return np.diff(edges) / 2


def make(path):
    from make_tiff import write_pages
    rng = np.random.default_rng(2385)
    pages = []
    for frame in range(FRAMES):
        mean = np.full((HEIGHT, WIDTH), float(BACKGROUND))
        for x, y in places(frame):
            mean += PHOTONS * np.outer(spot(y, HEIGHT), spot(x, WIDTH))
        electrons = rng.poisson(mean) + rng.normal(0, 1, mean.shape)
        adu = np.round(electrons / GAIN + OFFSET)
        pages.append((WIDTH, HEIGHT, adu.astype("<u2").tobytes()))
    write_pages(path, 16, 1, pages)


def picasso(stem):
    """Frames from 0, pixel centres at integers."""
    with tables.open_file(stem + ".hdf5") as file:
        locs = file.root.locs.read()
    return locs["frame"], locs["x"], locs["y"]


def thunderstorm(stem):
    """Frames from 1, nm from the outer corner of the first pixel."""
    locs = pd.read_csv(stem + ".csv")
    return locs["frame"] - 1, locs["x [nm]"] / PIXEL_NM - 0.5, locs["y [nm]"] / PIXEL_NM - 0.5


def challenge(stem):
    """frame,x,y,z,photons without a header: the same conventions."""
    locs = pd.read_csv(stem + ".challenge.csv", header=None, names=["frame", "x", "y", "z", "photons"])
    assert (locs["z"] == 0).all() and abs(locs["photons"].median() / PHOTONS - 1) < 0.05
    return locs["frame"] - 1, locs["x"] / PIXEL_NM - 0.5, locs["y"] / PIXEL_NM - 0.5


def decode(stem):
    """As decode.utils.emitter_io loads it: data sets without a shape are left out, axis 0 is the row."""
    with h5py.File(stem + ".decode.h5") as file:
        data = {name: values[:] for name, values in file["data"].items() if values.shape is not None}
        meta, version = dict(file["meta"].attrs), file["decode"].attrs["version"]
    known = set("xyz phot frame_ix id prob bg xyz_cr phot_cr bg_cr xyz_sig phot_sig bg_sig".split())
    assert set(data) <= known and {"xyz", "phot", "frame_ix"} <= set(data), set(data)
    assert data["xyz"].dtype == np.float32 and data["frame_ix"].dtype == np.int64
    assert meta["xy_unit"] == "px" and list(meta["px_size"]) == [PIXEL_NM] * 2 and "atomloc" in version
    assert (data["xyz"][:, 2] == 0).all() and abs(np.median(data["phot"]) / PHOTONS - 1) < 0.05
    return data["frame_ix"], data["xyz"][:, 1], data["xyz"][:, 0]


def whole(stem):
    """What a run writes beyond what every format has."""
    with h5py.File(stem + ".decode.h5") as file:
        data = file["data"]
        assert data["prob"].shape is None and (data["phot_sig"][:] > 0).all() and (data["bg"][:] > 0).all()
        decode_unc = data["xyz_sig"][:]
    picasso_unc = pd.read_hdf(stem + ".hdf5", key="locs")[["lpy", "lpx"]]
    np.testing.assert_array_equal(decode_unc[:, :2], picasso_unc)
    assert np.isnan(decode_unc[:, 2]).all() and (decode_unc[:, :2] > 0).all()


def plain(stem):
    locs = pd.read_csv(stem + ".px.csv")
    return locs["frame"], locs["x_px"], locs["y_px"]


def check(stem):
    """Localizations of 3000 photons are about 0.03 px off: 0.3 is ten times that, and a mean over 300 of them
    that is 0.02 off is more than ten standard errors away."""
    for read in (picasso, thunderstorm, challenge, decode, plain):
        frame, x, y = (np.asarray(column, float) for column in read(stem))
        assert frame.min() >= 0 and frame.max() < FRAMES, (read.__name__, frame.min(), frame.max())
        truth = np.array([places(f) for f in frame])
        nearest = np.argmin(np.hypot(truth[:, :, 0] - x[:, None], truth[:, :, 1] - y[:, None]), axis=1)
        error = np.stack([x, y], axis=1) - truth[np.arange(len(x)), nearest]
        far = np.hypot(*error.T) > 0.3
        assert len(x) > 2.8 * FRAMES and far.mean() < 0.03, (read.__name__, len(x), far.mean())
        assert (np.abs(error[~far].mean(axis=0)) < 0.02).all(), (read.__name__, error[~far].mean(axis=0))


{"make": make, "check": check, "whole": whole}[sys.argv[1]](*sys.argv[2:])
