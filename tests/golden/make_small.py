#!/usr/bin/env python3
"""Writes small_golden.h: a small autoencoder computed in float64 by plain loops, gradients by central
differences. Independent of the engine; run by hand when the case changes."""
import numpy as np

rng = np.random.default_rng(5)
SLOPE = 0.2
shapes = [("e1", (3, 1, 3, 3)), ("e1b", (3,)), ("e2", (4, 12)), ("e2b", (4,)),
          ("d1", (8, 2)), ("d1b", (8,)), ("c1", (3, 2, 3, 3)), ("c1b", (3,)), ("c2", (1, 3, 3, 3)), ("c2b", (1,))]
sizes = [int(np.prod(s)) for _, s in shapes]
params = np.float32(rng.normal(0, 0.5, sum(sizes))).astype(float)
images = np.float32(rng.random((2, 1, 4, 4))).astype(float)


def lrelu(x):
    return np.where(x > 0, x, SLOPE * x)


def conv(x, w, b, stride):
    n, c, height, width = x.shape
    out = np.zeros((n, len(w), height // stride, width // stride))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for y in range(out.shape[2]):
        for u in range(out.shape[3]):
            patch = padded[:, :, y * stride:y * stride + 3, u * stride:u * stride + 3]
            out[:, :, y, u] = np.tensordot(patch, w, ([1, 2, 3], [1, 2, 3])) + b
    return out


def forward(p):
    t, at = {}, 0
    for (name, shape), size in zip(shapes, sizes):
        t[name] = p[at:at + size].reshape(shape)
        at += size
    x = lrelu(conv(images, t["e1"], t["e1b"], 2)).reshape(2, -1)
    z = lrelu(x @ t["e2"].T + t["e2b"]).reshape(4, 2)
    g = lrelu(z @ t["d1"].T + t["d1b"]).reshape(4, 2, 2, 2)
    g = conv(g, t["c1"], t["c1b"], 1).repeat(2, 2).repeat(2, 3)
    g = lrelu(conv(lrelu(g), t["c2"], t["c2b"], 1))
    return g.reshape(2, 2, 1, 4, 4).sum(1)


def loss(p):
    return np.mean((forward(p) - images) ** 2)


def gradient(p, h=1e-6):
    return np.array([(loss(p + h * e) - loss(p - h * e)) / (2 * h) for e in np.eye(len(p))])


def table(name, values):
    rows = [", ".join(f"{v:.9g}" for v in values[i:i + 6]) for i in range(0, len(values), 6)]
    return f"static const double {name}[] = {{\n    " + ",\n    ".join(rows) + "};\n"


p, m, v = params.copy(), 0, 0
for step in range(1, 4):
    g = gradient(p)
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    p = p - 1e-2 * (m / (1 - 0.9 ** step)) / (np.sqrt(v / (1 - 0.999 ** step)) + 1e-8)
with open("small_golden.h", "w") as file:
    file.write("/* Made by make_small.py. */\n")
    for name, values in [("small_params", params), ("small_images", images.ravel()),
                         ("small_output", forward(params).ravel()), ("small_gradient", gradient(params)),
                         ("small_params_after_3", p)]:
        file.write(table(name, values))
