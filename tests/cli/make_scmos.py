"""An sCMOS movie whose pixels differ, its camera's maps and its truth, with the standard library alone.

make_scmos.py FOLDER   writes movie.tif, offset.tif, gain.tif, variance.tif, small.tif, truth.csv
"""
import math
import random
import struct
import sys

SIDE, FRAMES, SIGMA, PHOTONS, BACKGROUND = 32, 96, 1.3, 1500, 5
rng = random.Random(2385)


def poisson(mean):
    if mean > 60:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product, count = product * rng.random(), count + 1
    return count


def write_tiff(path, side, pages):
    data, link = bytearray(b"II*\0\0\0\0\0"), 4
    for page in pages:
        strip_at = len(data)
        data += struct.pack("<%df" % (side * side), *page)
        struct.pack_into("<I", data, link, len(data))
        tags = [(256, side), (257, side), (258, 32), (259, 1), (262, 1), (273, strip_at), (277, 1), (278, side),
                (279, 4 * side * side), (339, 3)]
        data += struct.pack("<H", len(tags))
        for tag, value in tags:
            data += struct.pack("<HHII", tag, 4, 1, value)
        link = len(data)
        data += b"\0\0\0\0"
    with open(path, "wb") as file:
        file.write(data)


def axis(centre):
    s = math.sqrt(2) * SIGMA
    return [0.5 * (math.erf((i + 0.5 - centre) / s) - math.erf((i - 0.5 - centre) / s)) for i in range(SIDE)]


def main(folder):
    pixels = range(SIDE * SIDE)
    offset = [100 + rng.gauss(0, 5) for _ in pixels]
    gain = [0.5 * math.exp(rng.gauss(0, 0.15)) for _ in pixels]
    variance = [400.0 if rng.random() < 0.05 else 2.0 for _ in pixels]
    movie, truth = [], ['"frame","x [nm]","y [nm]","intensity [photon]"']
    for t in range(FRAMES):
        mean = [BACKGROUND] * (SIDE * SIDE)
        for k in range(3):  # in a third of the field each
            x, y = 4 + 24 * rng.random(), 4 + 8 * (k + rng.random())
            truth.append("%d,%.3f,%.3f,%g" % (t + 1, 100 * (x + 0.5), 100 * (y + 0.5), PHOTONS))
            across, down = axis(x), axis(y)
            mean = [m + PHOTONS * across[i % SIDE] * down[i // SIDE] for i, m in enumerate(mean)]
        movie.append([offset[i] + (poisson(mean[i]) + rng.gauss(0, math.sqrt(variance[i]))) / gain[i] for i in pixels])
    write_tiff(folder + "/movie.tif", SIDE, movie)
    for name, values in (("offset", offset), ("gain", gain), ("variance", variance)):
        write_tiff(folder + "/%s.tif" % name, SIDE, [values])
    write_tiff(folder + "/small.tif", 16, [[1] * 256])
    with open(folder + "/truth.csv", "w") as file:
        file.write("\n".join(truth) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
