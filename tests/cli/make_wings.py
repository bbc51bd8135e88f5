"""A movie whose PSF is a core in wide wings, and its truth, with the standard library alone.

make_wings.py FOLDER   writes wings.tif (photons) and wings.csv
"""
import math
import sys

from make_scmos import poisson, rng, write_tiff

SIDE, FRAMES, BACKGROUND, EMITTERS = 32, 32, 10, 4
PARTS = ((0.7, 1.15), (0.3, 3.2))  # light, sigma in px


def axis(centre, sigma):
    s = math.sqrt(2) * sigma
    edges = [math.erf((i - 0.5 - centre) / s) for i in range(SIDE + 1)]
    return [0.5 * (b - a) for a, b in zip(edges, edges[1:])]


def main(folder):
    movie, truth = [], ["frame,x_px,y_px,photons"]
    for t in range(FRAMES):
        mean = [float(BACKGROUND)] * (SIDE * SIDE)
        for _ in range(EMITTERS):
            x, y, photons = 31 * rng.random(), 31 * rng.random(), 3000 * math.exp(rng.gauss(0, 0.3))
            truth.append("%d,%.4f,%.4f,%.1f" % (t, x, y, photons))
            for light, sigma in PARTS:
                across, down = axis(x, sigma), axis(y, sigma)
                for j in range(SIDE):
                    row = photons * light * down[j]
                    for i in range(SIDE):
                        mean[j * SIDE + i] += row * across[i]
        movie.append([poisson(m) for m in mean])
    write_tiff(folder + "/wings.tif", SIDE, movie)
    with open(folder + "/wings.csv", "w") as file:
        file.write("\n".join(truth) + "\n")


main(sys.argv[1])
