#!/usr/bin/env bash
# The page index.html in a browser, where there is one: its decoder agrees with the program's, it has no
# errors, and moving a slider moves the image.
. "$(dirname "$0")/common.sh"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
    echo "no Chromium is installed: the page was not opened"
    finish
fi

# dom PAGE: what the page has become after its scripts, into page.txt; messages of its console into stderr.
dom() {
    "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" \
        --enable-logging=stderr --virtual-time-budget=20000 --dump-dom "file://$1" >page.txt 2>browser.log
    grep 'CONSOLE' browser.log >"$work/stderr"
}

# Choose the second image, move its first slider to the end, and put into the title what is shown
# before, after and when it is moved back.
cat >"$work/person.js" <<'END'
<script>
window.requestAnimationFrame = (draw) => setTimeout(draw); /* nobody asks a headless page for frames */
setTimeout(() => {
    const shown = () => document.getElementById("error").textContent + " " +
        document.getElementById("whole").toDataURL().length;
    const steps = [
        () => document.getElementById("after").click(),
        () => {},
        () => {
            const slider = document.getElementById("z1");
            slider.value = slider.max;
            slider.dispatchEvent(new Event("input"));
        },
        () => document.getElementById("reset").click(),
    ];
    const seen = [];
    const next = () => {
        if (!steps.length)
            return void (document.title = seen.join("|"));
        steps.shift()();
        setTimeout(() => { seen.push(shown()); next(); }, 1000);
    };
    next();
}, 1000);
</script>
END

check_page() {
    local page=${1%.html}_person.html difference title seen=()
    sed "/<\/body>/e cat '$work/person.js'" "$1" >"$page"
    dom "$page"
    [ -s stderr ] && fail "$page: messages on the console"
    grep -q 'id="trouble" class="note" role="alert" hidden' page.txt || fail "$page: trouble"
    difference=$(sed -nE 's/.*differ by at most ([0-9.e+-]+) over.*/\1/p' page.txt)
    awk -v d="${difference:-1}" 'BEGIN { exit !(d <= 1e-4) }' || fail "$page: the decoders differ by $difference"
    [ "$(grep -o 'type="range"' page.txt | wc -l)" -eq 3 ] || fail "$page: no sliders"

    title=$(sed -nE 's/.*<title>([^<]*)<.*/\1/p' page.txt)
    IFS='|' read -ra seen <<<"$title"
    [ "${#seen[@]}" -eq 4 ] && [ "${seen[1]}" != "${seen[2]}" ] && [ "${seen[1]}" = "${seen[3]}" ] ||
        fail "$page: a person sees: $title"
    echo "$(basename "$(dirname "$page")"): decoders differ by $difference; moved: ${seen[1]} -> ${seen[2]}"
}

# page_of KIND SIDE STACK: a model after a few steps, and its page; without truth where the stack is a TIFF.
page_of() {
    local options=(-c "$source_folder/tests/cli/spikes.ini" --set synth.frames=64 --set train.steps=60
        --set train.batch=8 --set "model.kind=$1" --set "synth.height=$2" --set "synth.width=$2"
        --set figures.pairs=0 --set figures.page_images=2)
    succeeds "synth" "$atomloc" synth "${options[@]}" -o stack.h5
    succeeds "train" "$atomloc" train stack.h5 "${options[@]}" -o "$1.h5"
    [ "$3" = stack.h5 ] || succeeds "convert" "$atomloc" convert stack.h5 "$3"
    succeeds "eval" "$atomloc" eval "$1.h5" "$3" "${options[@]}" -o "$1"
    [ -s "$1/index.html" ] && check_page "$work/$1/index.html"
}

page_of paper_spikes_64 64 stack.h5
page_of convolutional 30 stack.tif # frames of whole cells and a part
finish
