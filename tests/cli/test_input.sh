#!/usr/bin/env bash
# [input]: regions of interest, binning, frames; and movies that are still being written.
. "$(dirname "$0")/common.sh"
check="$source_folder/tests/cli/check_input.py"
options=(-c "$source_folder/tests/cli/tiny.ini" --quiet)
# checks ARGUMENTS...: of check_input.py; without its libraries nothing is said
checks() {
    /usr/bin/python3 "$check" "$@" || [ $? -eq 77 ] || fail "check_input.py $*"
}
succeeds "synth" "$atomloc" synth "${options[@]}" -o movie.h5 --set synth.height=40 --set synth.width=48 --set synth.frames=160
succeeds "truth" "$atomloc" convert movie.h5 truth.px.csv

succeeds "cut" "$atomloc" convert movie.h5 cut.h5 --set 'input.roi=7, 3, 30, 33' --set input.first_frame=10 --set input.frame_count=50
checks cut movie.h5 cut.h5 7 3 30 33 10 50
succeeds "region" "$atomloc" localize movie.h5 -o part.px.csv "${options[@]}" --set 'input.roi=7,3,30,33'
checks near truth.px.csv part.px.csv 7 3 30 33
succeeds "binned" "$atomloc" localize movie.h5 -o binned.px.csv "${options[@]}" --set 'input.roi=5,2,41,37' --set input.binning=2
checks near truth.px.csv binned.px.csv 5 2 40 36
succeeds "none" "$atomloc" localize movie.h5 -o one.px.csv "${options[@]}" --set input.binning=1 --set 'input.roi=0,0,48,40'
succeeds "all" "$atomloc" localize movie.h5 -o all.px.csv "${options[@]}"
cmp -s one.px.csv all.px.csv || fail "the region that is everything changes something"
refuses 1 'the region of 30 x 33 at x 20, y 3 is not inside' "$atomloc" info movie.h5 --set 'input.roi=20,3,30,33'
refuses 1 'input.roi = 1,2: a region is x, y, width, height' "$atomloc" info movie.h5 --set 'input.roi=1,2'
refuses 2 'convert adds no pixels up' "$atomloc" convert movie.h5 no.h5 --set input.binning=2

# A movie that grows gives what the whole one gives, and ends by itself or by Ctrl-C.
succeeds "as TIFF" "$atomloc" convert movie.h5 movie.tif
follow=(--follow --model all_model.h5 "${options[@]}" --set input.follow_frames=64)
/usr/bin/python3 "$check" grow movie.tif growing.tif 160 4 &
writer=$!
succeeds "follow" "$atomloc" localize growing.tif -o grown.px.csv "${follow[@]}" --set input.follow_s=6
if wait $writer; then
    succeeds "the whole" "$atomloc" localize growing.tif -o whole.px.csv "${follow[@]}" --set input.follow_s=0.3
    cmp -s grown.px.csv whole.px.csv || fail "a movie that grew gives other localizations"
    [ "$(tail -n 1 grown.px.csv | cut -d, -f1)" -gt 150 ] || fail "the last frames were not waited for"
fi
# followed JOURNAL: waits until a chunk of 64 frames is in it, and for the second as long as that goes on.
followed() {
    local size=0 before=-1
    for _ in $(seq 100); do
        [ "$size" -gt 1000 ] && [ "$size" -eq "$before" ] && return
        sleep 0.5
        before=$size size=$(stat -c %s "$1" 2>/dev/null || echo 0)
    done
    fail "$1 has not come"
}

# Killed while it follows, it goes on when the movie has grown, to the bytes of a run that nothing disturbed; a training that
# was done is not done again.
own=(--follow -c "$source_folder/tests/cli/tiny.ini" --set input.follow_frames=64 --set train.steps=20)
succeeds "a part" "$atomloc" convert movie.h5 part.tif --set input.frame_count=140
mkdir undisturbed killed
cp movie.tif undisturbed/live.tif
cp part.tif killed/live.tif
succeeds "undisturbed" "$atomloc" localize undisturbed/live.tif -o undisturbed/locs.hdf5 "${own[@]}" --set input.follow_s=0.3
"$atomloc" localize killed/live.tif -o killed/locs.hdf5 "${own[@]}" --set input.follow_s=600 2>/dev/null &
runner=$!
followed killed/locs.journal
kill -KILL $runner
wait $runner 2>/dev/null
cp movie.tif killed/live.tif
"$atomloc" localize killed/live.tif -o killed/locs.hdf5 "${own[@]}" \
    --set input.follow_s=0.3 2>stderr || fail "a movie followed again: $(tail -n 1 stderr)"
grep -qE '(64|128) frames are done already' stderr || fail "followed again from the start: $(cat stderr)"
grep -q 'reused' stderr || fail "trained again on the same first frames"
diff -rq undisturbed killed >differences || fail "followed again: $(cat differences)"

"$atomloc" localize movie.tif -o stopped.px.csv "${follow[@]}" --set input.follow_s=600 2>stderr &
runner=$!
followed stopped.journal
kill -INT $runner
wait $runner || fail "Ctrl-C while waiting is not the end of the movie: exit code $?"
[ -s stopped.px.csv ] && [ -e stopped.png ] || fail "Ctrl-C while waiting writes no table"
refuses 2 'atomloc info has no option --follow' "$atomloc" info movie.tif --follow
nothing_left no.h5
finish
