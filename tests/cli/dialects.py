"""Movies as other programs write them, through tifffile, and whether atomloc's copies of them are the same.

dialects.py make FOLDER    writes the movies and list.txt: a line of NAME PATH for each
dialects.py check FOLDER   compares FOLDER/NAME.out.h5 with what was written, and our TIFF with tifffile's reading
"""
import json
import os
import sys

try:
    import h5py
    import numpy as np
    import tifffile
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

FRAMES, HEIGHT, WIDTH = 12, 24, 21
STACK = (np.arange(FRAMES * HEIGHT * WIDTH).reshape(FRAMES, HEIGHT, WIDTH) * 7919 % 4093).astype(np.uint16)


def ome_xml(names_and_frames, frames, detector="Prime 95B"):
    """OME-XML of one recording in several files."""
    planes, first = "", 0
    for name, count in names_and_frames:
        for i in range(count):
            planes += ('<TiffData FirstC="0" FirstT="%d" FirstZ="0" IFD="%d" PlaneCount="1"><UUID FileName="%s">'
                       'urn:uuid:%s</UUID></TiffData>' % (first + i, i, name, name))
        first += count
    return ('<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            '<Instrument ID="Instrument:0"><Detector ID="Detector:0" Model="%s"/></Instrument>'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="%d" SizeY="%d" '
            'SizeC="1" SizeZ="1" SizeT="%d" PhysicalSizeX="0.11" PhysicalSizeXUnit="um">%s'
            '<Plane TheT="0" ExposureTime="0.05" ExposureTimeUnit="s"/></Pixels></Image></OME>'
            % (detector, WIDTH, HEIGHT, frames, planes))


def write_pages(path, stack, description=None, json_text=None, **options):
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", "<")) as out:
        for i, frame in enumerate(stack):
            extra = [(51123, "s", 0, json_text, True)] if json_text else ()
            out.write(frame, photometric="minisblack", contiguous=False, metadata=None, extratags=extra,
                      description=description if i == 0 else None, **options)


def make(folder):
    cases = []

    def add(name, path=None):
        cases.append((name, path or name))
        return os.path.join(folder, path or name)

    for order in "<>":
        for kind in ("uint8", "uint16", "float32"):
            name = "imagej_%s_%s.tif" % (kind, "le" if order == "<" else "be")
            tifffile.imwrite(add(name), (STACK % 256 if kind == "uint8" else STACK).astype(kind), imagej=True,
                             byteorder=order, resolution=(1e3 / 160, 1e3 / 160), metadata={"unit": "um", "axes": "TYX"})
        write_pages(add("big_%s.tif" % ("le" if order == "<" else "be")), STACK, bigtiff=True, byteorder=order)
    write_pages(add("tiles.tif"), STACK, tile=(16, 16))
    for method in ("zlib", "lzw", "packbits", "zstd"):
        try:
            write_pages(add("%s.tif" % method), STACK, compression=method, predictor=method != "packbits")
        except (KeyError, ValueError, ImportError, RuntimeError):
            cases.pop()
    tifffile.imwrite(add("ome.ome.tif"), STACK, metadata={"axes": "TYX", "PhysicalSizeX": 0.13})

    # one recording in three files, given by the middle one's neighbour too
    parts = [("run.ome.tif", 5), ("run_1.ome.tif", 4), ("run_2.ome.tif", 3)]
    first = 0
    os.makedirs(os.path.join(folder, "ome"))
    for name, count in parts:
        write_pages(os.path.join(folder, "ome", name), STACK[first:first + count], ome_xml(parts, FRAMES))
        first += count
    add("ome_parts", "ome/run.ome.tif")
    add("ome_folder", "ome")

    # the same, renamed: the texts have names that are no more; exposure in microseconds
    os.makedirs(os.path.join(folder, "renamed"))
    for (name, count), first in zip(parts, (0, 5, 9)):
        text = ome_xml(parts, FRAMES).replace('ExposureTime="0.05" ExposureTimeUnit="s"',
                                              'ExposureTime="2500" ExposureTimeUnit="&#181;s"')
        write_pages(os.path.join(folder, "renamed", name.replace("run", "day")), STACK[first:first + count], text)
    add("renamed", "renamed/day.ome.tif")

    # Micro-Manager: parts known by their names alone, what it knows of each frame beside the frame
    os.makedirs(os.path.join(folder, "mm"))
    text = json.dumps({"Camera": "Andor iXon", "PixelSizeUm": 0.107, "Exposure-ms": 30.0, "Frame": 0})
    for name, start in (("x_MMStack_Pos0.ome.tif", 0), ("x_MMStack_Pos0_1.ome.tif", 8)):
        write_pages(os.path.join(folder, "mm", name), STACK[start:start + 8], json_text=text,
                    description=ome_xml([], FRAMES).replace("PhysicalSizeX", "Nothing").replace("Plane ", "Nothing ")
                    .replace("Detector ", "Nothing "))
    add("micromanager", "mm/x_MMStack_Pos0.ome.tif")

    # images by number without leading zeros, DECODE's names, patterns
    os.makedirs(os.path.join(folder, "numbered"))
    for i, frame in enumerate(STACK):
        tifffile.imwrite(os.path.join(folder, "numbered", "img_t%d_c0.tif" % (i + 1)), frame, metadata=None)
    add("numbered")
    add("pattern", "numbered/img_t*_c0.tif")
    os.makedirs(os.path.join(folder, "decode"))
    for name, start in (("x.tif", 0), ("x_0.tif", 4), ("x_1.tif", 8)):
        write_pages(os.path.join(folder, "decode", name), STACK[start:start + 4])
    add("decode")

    for order in "<>":
        name = "picasso_%s" % ("le" if order == "<" else "be")
        STACK.astype(order + "u2").tofile(os.path.join(folder, name + ".raw"))
        with open(os.path.join(folder, name + ".yaml"), "w") as side:
            side.write("Byte Order: '%s'\nData Type: uint16\nFrames: %d\nHeight: %d\nWidth: %d\nPixelsize: 130\n"
                       "Camera: Simulation\nBaseline: 100\nSensitivity: 0.5\nGain: 1\nQe: 0.9\n---\nGenerated by: x\n"
                       % (order, FRAMES, HEIGHT, WIDTH))
        add(name, name + ".raw")

    # not one movie: stacks side by side
    os.makedirs(os.path.join(folder, "stacks"))
    for i in range(2):
        write_pages(os.path.join(folder, "stacks", "cell%d.tif" % i), STACK)
    with open(os.path.join(folder, "list.txt"), "w") as out:
        out.writelines("%s %s\n" % case for case in cases)


def check(folder):
    failures = 0
    for line in open(os.path.join(folder, "list.txt")):
        name = line.split()[0]
        with h5py.File(os.path.join(folder, name + ".out.h5"), "r") as file:
            got = file["frames"][:]
        wanted = STACK % 256 if "uint8" in name else STACK
        if got.shape != wanted.shape or not np.array_equal(got, wanted):
            print("%s: other frames than were written" % name)
            failures += 1
    for name, nm in (("ours.tif", 160), ("ours.ome.tif", 160)):
        with tifffile.TiffFile(os.path.join(folder, name)) as file:
            page = file.pages[0]
            numerator, denominator = page.tags["XResolution"].value
            per_unit = numerator / denominator
            if name == "ours.tif":
                read_nm = 1e3 / per_unit if file.imagej_metadata["unit"] in ("um", "micron") else 0
            else:
                import xml.etree.ElementTree as tree
                pixels = [e for e in tree.fromstring(file.ome_metadata).iter() if e.tag.endswith("Pixels")][0]
                read_nm = float(pixels.get("PhysicalSizeX")) * {"nm": 1, "µm": 1e3, "um": 1e3}[
                    pixels.get("PhysicalSizeXUnit", "µm")]
                if int(pixels.get("SizeT")) != FRAMES or abs(1e7 / per_unit - nm) > 1e-3:
                    print("%s: OME says %s frames, resolution %g" % (name, pixels.get("SizeT"), per_unit))
                    failures += 1
            if abs(read_nm - nm) > 1e-3 or not np.array_equal(file.asarray(), STACK):
                print("%s: tifffile reads other frames, or %g nm" % (name, read_nm))
                failures += 1
    sys.exit(failures > 0)


{"make": make, "check": check}[sys.argv[1]](sys.argv[2])
