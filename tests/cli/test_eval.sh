#!/usr/bin/env bash
# Scores for scripts: exit codes, JSON, several tables, adjustments, and the words of mistakes.
. "$(dirname "$0")/common.sh"
tiny=$source_folder/tests/cli/tiny.ini
number() { /usr/bin/python3 -c 'import json, sys, functools
print(functools.reduce(lambda o, k: o[k], sys.argv[2].split("/"), json.load(open(sys.argv[1]))))' "$@"; }

succeeds "truth" "$atomloc" synth -c "$tiny" -o movie.h5
succeeds "its table" "$atomloc" convert movie.h5 good.csv
# Half a pixel off in x, x and y exchanged, one frame late.
/usr/bin/python3 - <<'END' || fail "could not make the tables"
import csv
with open("good.csv", newline="") as file:
    rows = list(csv.DictReader(file))
def write(name, change):
    with open(name, "w", newline="") as file:
        out = csv.DictWriter(file, rows[0].keys(), quoting=csv.QUOTE_NONE)
        out.writeheader()
        for row in rows:
            row = dict(row)
            change(row)
            out.writerow(row)
def shift(row): row["x [nm]"] = float(row["x [nm]"]) + 50
def swap(row): row["x [nm]"], row["y [nm]"] = row["y [nm]"], row["x [nm]"]
def late(row): row["frame"] = int(row["frame"]) + 1
write("shifted.csv", shift)
write("swapped.csv", swap)
write("late.csv", late)
END

# --- What goes wrong is said, and the option that it names takes it away
nm='--set camera.pixel_size_nm=100'
for what in "shifted eval.shift_x_nm=-50" "swapped eval.axes=yx" "late eval.shift_frames=-1"; do
    set -- $what
    succeeds "$1" "$atomloc" eval movie.h5 "$1.csv" $nm
    grep -q "^warning: .*$2" stdout || fail "no hint at $2: $(grep warning stdout)"
    succeeds "$1, corrected" "$atomloc" eval movie.h5 "$1.csv" $nm --set "$2"
    grep -q '^adjusted ' stdout || fail "the report does not say that the table was adjusted"
    grep -qE '^Jaccard .* 1\.0000 +1\.0000 +1\.0000 +1\.0000$' stdout || fail "$2 does not correct $1.csv"
    grep -q '^warning' stdout && fail "a warning is left: $(grep '^warning' stdout)"
done

# --- Exit codes
succeeds "no limit broken" "$atomloc" eval movie.h5 good.csv $nm --quiet --fail-under jaccard=0.9 --fail-over rmse_nm=5
[ -s stdout ] || [ -s stderr ] && fail "--quiet says something: $(cat stdout stderr)"
refuses 1 'rmse_nm is 50.*over 20' "$atomloc" eval movie.h5 shifted.csv $nm --fail-under jaccard=0.9 --fail-over rmse_nm=20
refuses 1 'challenge\.bright\.jaccard is 0\.[0-9]+, under 0\.9.*rmse_over_crlb' "$atomloc" eval movie.h5 swapped.csv $nm \
    --fail-under challenge.bright.jaccard=0.9 --fail-under rmse_over_crlb=0.1
refuses 2 'no score is called .jacard' "$atomloc" eval movie.h5 good.csv $nm --fail-under jacard=0.9
refuses 2 'expected NAME=NUMBER' "$atomloc" eval movie.h5 good.csv $nm --fail-under jaccard
refuses 2 'has no option --fail-under' "$atomloc" info movie.h5 --fail-under jaccard=1

# --- JSON, alone and of several tables; quiet keeps it
succeeds "JSON" "$atomloc" eval movie.h5 shifted.csv $nm --json --quiet
dx=$(number stdout at_tolerance/all/mean_dx_nm)
awk -v dx="$dx" 'BEGIN { exit !(dx > 49.999 && dx < 50.001) }' || fail "mean dx is $dx"
[ "$(number stdout conventions/matching)" = greedy ] || fail "the JSON does not name the matching"
succeeds "several" "$atomloc" eval movie.h5 good.csv shifted.csv swapped.csv $nm
[ "$(grep -cE '^(good|shifted|swapped)\.csv ' stdout)" -eq 3 ] || fail "not a line per table: $(cat stdout)"
succeeds "several as JSON" "$atomloc" eval movie.h5 good.csv shifted.csv $nm --json -o both.json
[ "$(number both.json tables/good.csv/at_tolerance/all/jaccard)" = 1 ] || fail "JSON of several tables"
succeeds "Hungarian" "$atomloc" eval movie.h5 good.csv $nm --set eval.matching=hungarian
grep -q '^matching  *hungarian: ' stdout || fail "the report does not name the matching"

# --- The limit knows the camera of a stack
grep -q '^CRLB .*not known' stdout || fail "a limit without a PSF width: $(grep '^CRLB' stdout)"
succeeds "with a width" "$atomloc" eval movie.h5 good.csv $nm --set eval.sigma_px=1.3
grep -q '^CRLB .*sigma 1\.300 px, the true background, read noise 1 e-$' stdout ||
    fail "the limit of a stack: $(grep '^CRLB' stdout)"
refuses 2 'replace the input' "$atomloc" eval movie.h5 good.csv -o good.csv
nothing_left

finish
