/* node check_decoder.js DECODER.js FILE...: the page's decoder beside the program's. A FILE is JSON
 * {model, latents, expected} or a page with such data; numbers are base64 of float32. */
"use strict";
const fs = require("fs");
const vm = require("vm");
vm.runInThisContext(fs.readFileSync(process.argv[2], "utf8"));

function readCase(file) {
    const text = fs.readFileSync(file, "utf8");
    const page = text.match(/<script type="application\/json" id="data">([^]*?)<\/script>/);
    const data = JSON.parse(page ? page[1] : text);
    return {latents: page ? data.images[0].latents : data.latents, ...data};
}

let failures = 0;
for (const file of process.argv.slice(3)) {
    const data = readCase(file), model = readModel(data.model);
    const decoder = createDecoder(model), d0 = model.input[0] * model.input[1] * model.input[2];
    const latents = readFloats(data.latents), expected = readFloats(data.expected);
    const got = decodeAll(decoder, latents, d0);

    /* One block taken out and put in again, as the page does while it is moved. */
    const pairs = [];
    for (let b = 0; b * d0 < latents.length; b++)
        pairs.push([b, decoder.block(latents.subarray(b * d0, (b + 1) * d0))]);
    const last = pairs.pop();
    const again = pairs.length ? decoder.image(decoder.with(decoder.joined(pairs), ...last)) : got;

    let worst = 0, largest = 0;
    for (let i = 0; i < expected.length; i++) {
        largest = Math.max(largest, Math.abs(expected[i]));
        worst = Math.max(worst, Math.abs(got.data[i] - expected[i]),
                         Math.abs(again.data[i] - expected[i]));
    }
    const good = got.data.length === expected.length && largest > 1e-3 && worst <= 1e-4;
    console.log(`${file}: ${expected.length} pixels up to ${largest.toPrecision(3)}, ` +
                `largest difference ${worst.toExponential(1)}${good ? "" : ": FAILED"}`);
    failures += !good;
}
process.exit(failures ? 1 : 0);
