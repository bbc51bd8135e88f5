"""Reads atomloc's outputs as the programs of its users do, without atomloc's help.

check_outputs.py stack MOVIE.h5 TRUTH.px.csv     h5py: the frames, and /truth equal to the table
check_outputs.py picasso LOCS.hdf5 TRUTH.px.csv  pandas and PyTables as Picasso uses them, and the YAML
check_outputs.py thunderstorm LOCS.csv TRUTH.px.csv PIXEL_NM
"""
import csv
import json
import math
import sys


def truth_rows(path):
    with open(path, newline="") as file:
        return [(int(r["frame"]), float(r["x_px"]), float(r["y_px"]), float(r["photons"]))
                for r in csv.DictReader(file)]


def check_close(found, wanted, what, tolerance=2e-3):
    if len(found) != len(wanted):
        sys.exit("%s: %d rows instead of %d" % (what, len(found), len(wanted)))
    for i, (a, b) in enumerate(zip(sorted(found), sorted(wanted))):
        for x, y in zip(a, b):
            if not math.isclose(x, y, rel_tol=1e-5, abs_tol=tolerance):
                sys.exit("%s: row %d is %s instead of %s" % (what, i, a, b))


def stack(path, truth):
    import h5py
    with h5py.File(path, "r") as file:
        frames = file["frames"]
        if frames.ndim != 3 or frames.chunks[0] > 64:
            sys.exit("%s: frames are %s in chunks of %s" % (path, frames.shape, frames.chunks))
        if not frames[0].any():
            sys.exit("%s: the first frame is empty" % path)
        rows = file["truth"][:]
    found = [(int(r["frame"]), float(r["x"]), float(r["y"]), float(r["photons"])) for r in rows]
    check_close(found, truth_rows(truth), path)


def picasso(path, truth):
    import pandas
    import yaml
    import h5py
    import tables
    with tables.open_file(path) as file:
        rows = file.root.locs.read()
    with h5py.File(path, "r") as file:
        locs = pandas.DataFrame.from_records(file["locs"][:])
    if len(rows) != len(locs):
        sys.exit("%s: PyTables and h5py disagree" % path)
    if list(locs.columns[:3]) != ["frame", "x", "y"]:
        sys.exit("%s: columns are %s" % (path, list(locs.columns)))
    if locs.isna().any().any():
        sys.exit("%s: NaN in a column: Picasso would drop the rows" % path)
    with open(path.rsplit(".", 1)[0] + ".yaml") as file:
        documents = list(yaml.safe_load_all(file))
    for key in ("Width", "Height", "Frames"):
        if not documents[0][key] > 0:
            sys.exit("%s: the YAML has no %s" % (path, key))
    found = list(zip(locs["frame"].astype(int), locs["x"], locs["y"], locs["photons"]))
    check_close(found, truth_rows(truth), path)


def thunderstorm(path, truth, pixel_nm):
    pixel_nm = float(pixel_nm)
    import pandas
    locs = pandas.read_csv(path)
    with open(path) as file:
        header = file.readline()
    if '"frame"' not in header or '"x [nm]"' not in header:
        sys.exit("%s: header is %s" % (path, header))
    with open(path.rsplit(".", 1)[0] + "-protocol.txt") as file:
        json.load(file)
    found = list(zip(locs["frame"] - 1, locs["x [nm]"] / pixel_nm - 0.5,
                     locs["y [nm]"] / pixel_nm - 0.5, locs["intensity [photon]"]))
    check_close(found, truth_rows(truth), path)


{"stack": stack, "picasso": picasso, "thunderstorm": thunderstorm}[sys.argv[1]](*sys.argv[2:])
