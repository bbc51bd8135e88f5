/* The page: what is chosen, what is shown. explorer_decoder.js stands before this. */
(() => {
    const byId = (id) => document.getElementById(id);
    const data = JSON.parse(byId("data").textContent);
    const d0 = data.model.input[0], height = data.height, width = data.width;
    const zoom = Math.max(1, Math.round(384 / Math.max(height, width)));
    const most = 32; /* blocks to choose from: the strongest */
    let decoder, made, image, block, maps, z, rest, drawing = false, turn = 0;
    const hidden = new Set(); /* blocks left out of the whole */
    const thumbnails = new Map();

    /* ---- Pictures ---- */

    /* The frame's pixels of a decoded image, which may be larger by a part of a cell. */
    function crop(x) {
        if (x.w === width && x.h === height)
            return x.data;
        const out = new Float32Array(height * width);
        for (let row = 0; row < height; row++)
            out.set(x.data.subarray(row * x.w, row * x.w + width), row * width);
        return out;
    }

    /* 0 black, 1 white, outside clipped. */
    function paint(canvas, pixels, scale) {
        const small = document.createElement("canvas");
        small.width = width, small.height = height;
        const bits = new ImageData(width, height);
        for (let i = 0; i < pixels.length; i++) {
            const v = Math.round(255 * Math.min(1, Math.max(0, pixels[i])));
            bits.data.set([v, v, v, 255], 4 * i);
        }
        small.getContext("2d").putImageData(bits, 0, 0);
        canvas.width = width * scale, canvas.height = height * scale;
        const context = canvas.getContext("2d");
        context.imageSmoothingEnabled = false;
        context.drawImage(small, 0, 0, canvas.width, canvas.height);
        return context;
    }

    function ring(context, [x, y], radius, color) {
        context.beginPath();
        context.arc((x + 0.5) * zoom, (y + 0.5) * zoom, radius, 0, 2 * Math.PI);
        context.lineWidth = 2;
        context.strokeStyle = color;
        context.stroke();
    }

    /* Brightest place of an atom: centroid of the pixels above half of the maximum; of an inactive
     * one none. */
    function brightest(pixels) {
        if (energy(pixels.map((v) => Math.min(1, Math.max(0, v)))) < data.active ** 2 * energy(image.input))
            return null;
        let top = 0, sum = 0, x = 0, y = 0;
        for (const v of pixels)
            top = Math.max(top, v);
        pixels.forEach((v, i) => {
            if (v > top / 2)
                sum += v, x += v * (i % width), y += v * Math.floor(i / width);
        });
        return [x / sum, y / sum];
    }

    const largest = (pixels) => pixels.reduce((a, b) => Math.max(a, b), -Infinity);
    const energy = (pixels) => pixels.reduce((sum, v) => sum + v * v, 0);
    function relativeError(pixels) {
        let sum = 0;
        for (let i = 0; i < pixels.length; i++)
            sum += (pixels[i] - image.input[i]) ** 2;
        return sum / energy(image.input);
    }

    const alone = (b, m) => crop(decoder.image(decoder.joined([[b, m]])));
    const latent = (b) => image.latents.subarray(b * d0, (b + 1) * d0);

    /* ---- Drawing what is chosen ---- */

    function draw() {
        drawing = false;
        const moved = decoder.block(z), atom = alone(block, moved), now = brightest(atom);
        const whole = hidden.has(block) ? rest && crop(decoder.image(rest))
            : crop(decoder.image(rest ? decoder.with(rest, block, moved)
                                      : decoder.joined([[block, moved]])));
        const shown = whole || new Float32Array(height * width);
        maps.set(block, moved);
        if (thumbnails.has(block))
            paint(thumbnails.get(block), atom, 1);
        for (const context of [paint(byId("atom"), atom, zoom), paint(byId("whole"), shown, zoom)]) {
            if (image.place)
                ring(context, image.place, 12, "#e69f00");
            if (now)
                ring(context, now, 8, "#56b4e9");
        }
        byId("measure").textContent = `g(z): peak ${largest(atom).toFixed(2)}` +
            (now ? `, brightest at x ${now[0].toFixed(1)}, y ${now[1].toFixed(1)} px` : ", inactive");
        byId("error").textContent =
            Number.isFinite(image.error)
                ? `relative squared error ${relativeError(shown).toPrecision(2)}` +
                  ` (as encoded ${image.error.toPrecision(2)})`
                : "an empty image";
    }

    function drawSoon() {
        if (!drawing)
            drawing = true, requestAnimationFrame(draw);
    }

    function showSliders() {
        const sliders = byId("sliders");
        sliders.replaceChildren();
        const member = block % data.model.perCell;
        for (let d = 0; d < d0; d++) {
            const row = document.createElement("div");
            const label = document.createElement("label"), output = document.createElement("output");
            const input = document.createElement("input");
            const [low, high] = [data.low, data.high].map((list) => list[member * d0 + d]);
            row.className = "slider";
            label.textContent = `z${d + 1}`;
            label.htmlFor = output.htmlFor = input.id = `z${d + 1}`;
            input.type = "range", input.step = "any";
            input.min = Math.min(low, z[d]), input.max = Math.max(high, z[d]), input.value = z[d];
            output.setAttribute("aria-live", "off"); /* the slider itself tells its value */
            const tell = () => {
                output.textContent = z[d].toPrecision(3);
                input.setAttribute("aria-valuetext", output.textContent);
            };
            tell();
            input.addEventListener("input", () => {
                z[d] = Number(input.value);
                tell();
                drawSoon();
            });
            row.append(label, input, output);
            sliders.append(row);
        }
    }

    /* All that is shown beside the chosen block. */
    function joinRest() {
        const others = [...maps].filter(([b]) => b !== block && !hidden.has(b));
        rest = others.length ? decoder.joined(others) : null;
    }

    function chooseBlock(b) {
        block = b;
        z = image.moved.subarray(b * d0, (b + 1) * d0);
        joinRest();
        image.place = brightest(alone(b, decoder.block(latent(b))));
        byId("block-name").textContent = `Block ${b + 1} of ${image.blocks}`;
        showSliders();
        draw();
    }

    function showBlocks(order) {
        const list = byId("blocks");
        list.replaceChildren();
        thumbnails.clear();
        for (const b of order) {
            const tile = document.createElement("div"), canvas = document.createElement("canvas");
            const radio = document.createElement("input"), shown = document.createElement("input");
            const choose = document.createElement("label"), show = document.createElement("label");
            const text = document.createElement("span"), share = image.shares[b];
            radio.type = "radio", radio.name = "block", radio.checked = b === block;
            radio.addEventListener("change", () => {
                if (drawing)
                    draw(); /* the last move of the block that is left */
                chooseBlock(b);
            });
            canvas.setAttribute("aria-hidden", "true");
            paint(canvas, alone(b, maps.get(b)), 1);
            thumbnails.set(b, canvas);
            text.append(`block ${b + 1}`, document.createElement("br"),
                        `${Math.round(100 * share)} %${share < data.active ? ", inactive" : ""}`);
            choose.append(radio, canvas, text);
            shown.type = "checkbox", shown.checked = true;
            shown.setAttribute("aria-label", `Block ${b + 1} in the ${made}`);
            shown.addEventListener("change", () => {
                shown.checked ? hidden.delete(b) : hidden.add(b);
                joinRest();
                drawSoon();
            });
            show.className = "show";
            show.append(shown, ` in the ${made}`);
            tile.append(choose, show);
            list.append(tile);
        }
    }

    /* Decoding every block of a large model takes seconds on a phone: let the page breathe. */
    async function chooseImage(index) {
        const mine = ++turn, source = data.images[index];
        const levels = readBytes(source.pixels), latents = readFloats(source.latents);
        const next = {
            latents,
            moved: latents.slice(),
            shares: readFloats(source.shares),
            blocks: latents.length / d0,
            input: Float32Array.from(levels, (v) => source.low + (source.high - source.low) * v / 255),
        };
        const decoded = new Map();
        let rested = performance.now();
        byId("before").disabled = index === 0;
        byId("after").disabled = index === data.images.length - 1;
        byId("error").textContent = "decoding …";
        for (let b = 0; b < next.blocks; b++) {
            decoded.set(b, decoder.block(latents.subarray(b * d0, (b + 1) * d0)));
            if (performance.now() - rested > 50) {
                await new Promise((resume) => setTimeout(resume));
                rested = performance.now();
            }
            if (mine !== turn)
                return;
        }
        image = next, maps = decoded;
        thumbnails.clear();
        hidden.clear();
        const whole = crop(decoder.image(decoder.joined([...maps])));
        image.error = relativeError(whole);
        if (index === 0)
            check(whole);
        const context = paint(byId("input"), image.input, zoom);
        for (const place of source.truth || [])
            ring(context, place, 8, "#33e64d");
        const byShare = [...maps.keys()].sort((a, b) => image.shares[b] - image.shares[a]);
        const order = byShare.slice(0, most);
        chooseBlock(byShare[0]);
        showBlocks(image.blocks <= most ? order.sort((a, b) => a - b) : order);
    }

    /* ---- The page around it ---- */

    function describe() {
        const blocks = data.model.grid[0] * data.model.grid[1] * data.model.perCell;
        byId("about").textContent =
            `This model writes an image as the ${made} of ${blocks} images g(z), one for each of its ` +
            `blocks. A block is ${d0} numbers z, and the same decoder g draws them all. Choose a block ` +
            "and move its numbers, over the range that they have in the test set (1 % to 99 % " +
            "quantile): the decoder runs in this page.";
        byId("whole-text").textContent = `The ${made} of all blocks; every picture from 0 black to 1 white`;
        byId("blocks-text").textContent =
            `Per cent: |g(z)| / |image|; a block is inactive below ${100 * data.active} %. ` +
            `A block can be left out of the ${made}.` +
            (blocks > most ? ` The ${most} strongest of ${blocks}.` : "");
        byId("truth-key").hidden = !data.images.some((source) => source.truth);
        data.images.forEach((source, i) => byId("image").add(new Option(source.name, i)));
    }

    /* The program's own image of the first, beside this page's. */
    function check(got) {
        const expected = readFloats(data.expected);
        const worst = expected.reduce((worst, v, i) => Math.max(worst, Math.abs(v - got[i])), 0);
        byId("check").textContent =
            `The decoder of this page and the one of the program differ by at most ` +
            `${worst.toExponential(1)} over ${data.images[0].name}.`;
    }

    function showMade() {
        if (!data.figures.length)
            return;
        const heading = document.createElement("h2");
        heading.textContent = "Figures";
        byId("made").append(heading);
        for (const [file, text] of data.figures) {
            const figure = document.createElement("figure"), picture = document.createElement("img");
            const link = document.createElement("a"), caption = document.createElement("figcaption");
            link.href = picture.src = encodeURIComponent(file);
            picture.alt = caption.textContent = text;
            picture.loading = "lazy";
            link.append(picture);
            figure.append(link, caption);
            byId("made").append(figure);
        }
    }

    try {
        decoder = createDecoder(readModel(data.model));
        made = decoder.join === "max" ? "maximum" : "sum";
    } catch (error) {
        byId("trouble").textContent = `This page cannot show the model: ${error.message}.`;
        byId("trouble").hidden = false;
        showMade();
        return;
    }
    describe();
    byId("main").hidden = false;
    const select = byId("image");
    const step = (by) => {
        select.selectedIndex += by;
        chooseImage(select.selectedIndex);
    };
    select.addEventListener("change", () => chooseImage(select.selectedIndex));
    byId("before").addEventListener("click", () => step(-1));
    byId("after").addEventListener("click", () => step(1));
    byId("reset").addEventListener("click", () => {
        z.set(latent(block));
        chooseBlock(block);
    });
    chooseImage(0);
    showMade();
})();
