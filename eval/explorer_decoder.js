"use strict";

/* The decoder of an atomic autoencoder in plain JavaScript: layer by layer what localize/net does
 * (net.h has the definitions). Tensors are {c, h, w, data}, data a Float32Array in the order C, H, W.
 *
 * model: layers (kind, out, kernel, stride, slope, shape, cell, weight, bias: offsets into weights or
 * -1), input (C, H, W of a block), weights, grid (cells down, cells across), perCell. */

/* The image with `pad` zeros on every side. */
function padded(x, pad) {
    const wide = x.w + 2 * pad, out = new Float32Array(x.c * (x.h + 2 * pad) * wide);
    for (let i = 0; i < x.c * x.h; i++) {
        const c = Math.floor(i / x.h), at = (i + (2 * c + 1) * pad) * wide + pad;
        out.set(x.data.subarray(i * x.w, (i + 1) * x.w), at);
    }
    return out;
}

/* row[col] += sum over the k x k taps of one input channel; 3 x 3 in one pass, since nearly all of the
 * time goes there. */
function addTaps(row, x, at, wide, stride, weights, first, k) {
    if (k !== 3) {
        for (let tap = 0; tap < k * k; tap++) {
            const weight = weights[first + tap], from = at + Math.floor(tap / k) * wide + tap % k;
            for (let col = 0; col < row.length; col++)
                row[col] += weight * x[from + col * stride];
        }
        return;
    }
    const a = weights[first], b = weights[first + 1], c = weights[first + 2];
    const d = weights[first + 3], e = weights[first + 4], f = weights[first + 5];
    const g = weights[first + 6], h = weights[first + 7], i = weights[first + 8];
    for (let col = 0; col < row.length; col++) {
        const p = at + col * stride, q = p + wide, r = q + wide;
        row[col] += a * x[p] + b * x[p + 1] + c * x[p + 2] + d * x[q] + e * x[q + 1] + f * x[q + 2] +
            g * x[r] + h * x[r + 1] + i * x[r + 2];
    }
}

const layerRules = {
    dense(layer, x, weights) {
        const y = new Float32Array(layer.out), n = x.data.length;
        for (let o = 0; o < layer.out; o++) {
            let sum = layer.bias < 0 ? 0 : weights[layer.bias + o];
            for (let i = 0; i < n; i++)
                sum += weights[layer.weight + o * n + i] * x.data[i];
            y[o] = sum;
        }
        return {c: layer.out, h: 1, w: 1, data: y};
    },

    /* On an input with its padding around it, a row of one output channel at a time. */
    conv(layer, x, weights) {
        const s = layer.stride, k = layer.kernel, pad = (k - 1) / 2;
        const h = Math.ceil(x.h / s), w = Math.ceil(x.w / s);
        const from = padded(x, pad), wide = x.w + 2 * pad, plane = (x.h + 2 * pad) * wide;
        const y = new Float32Array(layer.out * h * w), row = new Float64Array(w);
        for (let o = 0; o < layer.out; o++)
            for (let r = 0; r < h; r++) {
                row.fill(layer.bias < 0 ? 0 : weights[layer.bias + o]);
                for (let i = 0; i < x.c; i++)
                    addTaps(row, from, i * plane + r * s * wide, wide, s,
                            weights, layer.weight + (o * x.c + i) * k * k, k);
                y.set(row, (o * h + r) * w);
            }
        return {c: layer.out, h, w, data: y};
    },

    lrelu(layer, x) {
        return {...x, data: x.data.map((v) => (v > 0 ? v : layer.slope * v))};
    },

    nearest(layer, x) {
        const h = 2 * x.h, w = 2 * x.w, y = new Float32Array(x.c * h * w);
        for (let c = 0; c < x.c; c++)
            for (let row = 0; row < h; row++)
                for (let col = 0; col < w; col++)
                    y[(c * h + row) * w + col] =
                        x.data[(c * x.h + (row >> 1)) * x.w + (col >> 1)];
        return {c: x.c, h, w, data: y};
    },

    /* Output i takes 3/4 of input floor(i / 2) and 1/4 of the neighbour on its side. */
    bilinear(layer, x) {
        const h = 2 * x.h, w = 2 * x.w, y = new Float32Array(x.c * h * w);
        const far = (i, extent) =>
            Math.min(extent - 1, Math.max(0, (i >> 1) + (i % 2 ? 1 : -1)));
        for (let c = 0; c < x.c; c++)
            for (let row = 0; row < h; row++)
                for (let col = 0; col < w; col++) {
                    const near = (c * x.h + (row >> 1)) * x.w;
                    const away = (c * x.h + far(row, x.h)) * x.w;
                    const a = col >> 1, b = far(col, x.w);
                    y[(c * h + row) * w + col] =
                        0.5625 * x.data[near + a] + 0.1875 * x.data[near + b] +
                        0.1875 * x.data[away + a] + 0.0625 * x.data[away + b];
                }
        return {c: x.c, h, w, data: y};
    },

    /* Two more channels: x, then y of the pixel's centre, -1..1 over the image. */
    coordinates(layer, x) {
        const n = x.h * x.w, y = new Float32Array((x.c + 2) * n);
        y.set(x.data);
        for (let i = 0; i < n; i++) {
            y[x.c * n + i] = (2 * (i % x.w) + 1) / x.w - 1;
            y[(x.c + 1) * n + i] = (2 * Math.floor(i / x.w) + 1) / x.h - 1;
        }
        return {c: x.c + 2, h: x.h, w: x.w, data: y};
    },

    reshape(layer, x) {
        const [c, h, w] = layer.shape;
        return {c, h, w, data: x.data};
    },

    window(layer, x) {
        const y = new Float32Array(x.data.length);
        const wave = (i, extent) => Math.sin((Math.PI * (i + 0.5)) / extent);
        for (let i = 0; i < y.length; i++)
            y[i] = x.data[i] * wave(Math.floor(i / x.w) % x.h, x.h) * wave(i % x.w, x.w);
        return {...x, data: y};
    },
};

/* Where blocks become one image: start with the empty image, then take in one block after another. */
const joinRules = {
    sum: {
        empty: (layer, model, x) => ({...x, data: new Float32Array(x.data.length)}),
        take(layer, model, into, block, x) {
            for (let i = 0; i < x.data.length; i++)
                into.data[i] += x.data[i];
        },
    },
    max: {
        empty: (layer, model, x) => ({
            ...x, data: new Float32Array(x.data.length).fill(-Infinity)}),
        take(layer, model, into, block, x) {
            for (let i = 0; i < x.data.length; i++)
                into.data[i] = Math.max(into.data[i], x.data[i]);
        },
    },
    place: {
        empty(layer, model, x) {
            const h = model.grid[0] * layer.cell, w = model.grid[1] * layer.cell;
            return {c: x.c, h, w, data: new Float32Array(x.c * h * w)};
        },
        take(layer, model, into, block, x) {
            const cell = Math.floor(block / model.perCell), edge = (x.h - layer.cell) / 2;
            const top = Math.floor(cell / model.grid[1]) * layer.cell - edge;
            const left = (cell % model.grid[1]) * layer.cell - edge;
            for (let c = 0; c < x.c; c++)
                for (let row = Math.max(0, -top); row < x.h && top + row < into.h; row++)
                    for (let col = Math.max(0, -left); col < x.w && left + col < into.w; col++)
                        into.data[(c * into.h + top + row) * into.w + left + col] +=
                            x.data[(c * x.h + row) * x.w + col];
        },
    },
};

function createDecoder(model) {
    const at = model.layers.findIndex((layer) => layer.kind in joinRules);
    const unknown = model.layers.find(
        (layer) => !(layer.kind in layerRules) && !(layer.kind in joinRules));
    if (at < 0 || unknown)
        throw new Error(unknown ? `no rule for a layer of kind ${unknown.kind}`
                                : "no layer joins the blocks");
    const join = model.layers[at], rule = joinRules[join.kind];
    const run = (layers, x) =>
        layers.reduce((y, layer) => layerRules[layer.kind](layer, y, model.weights), x);
    return {
        join: join.kind,
        /* A block's maps, before blocks are joined. */
        block(z) {
            const [c, h, w] = model.input;
            return run(model.layers.slice(0, at), {c, h, w, data: Float32Array.from(z)});
        },
        /* Maps of [block, maps] joined, not yet the image. */
        joined(pairs) {
            const into = rule.empty(join, model, pairs[0][1]);
            for (const [block, maps] of pairs)
                rule.take(join, model, into, block, maps);
            return into;
        },
        /* The same with one more. */
        with(joined, block, maps) {
            const into = {...joined, data: joined.data.slice()};
            rule.take(join, model, into, block, maps);
            return into;
        },
        /* The image of joined maps. */
        image: (joined) => run(model.layers.slice(at + 1), joined),
    };
}

/* The page's data: base64 to arrays. */
function readBytes(text) {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function readFloats(text) {
    return new Float32Array(readBytes(text).buffer); /* little-endian, as the page is written */
}

function readModel(model) {
    return {...model, weights: readFloats(model.weights)};
}

/* All blocks of an image: latents (blocks * d0) to the image of the sum. */
function decodeAll(decoder, latents, d0) {
    const pairs = [];
    for (let b = 0; b * d0 < latents.length; b++)
        pairs.push([b, decoder.block(latents.subarray(b * d0, (b + 1) * d0))]);
    return decoder.image(decoder.joined(pairs));
}
