#!/usr/bin/env bash
# Batches: every combination once, whatever the number of processes; stages shared; stopped and continued;
# extended; a run that fails takes nothing with it; mistakes are said before the work.
. "$(dirname "$0")/common.sh"
sweep=$source_folder/tests/cli/sweep.ini
run=("$atomloc" run "$sweep")

# --- Two at a time: 2 x 3 values, 2 seeds; movies, models and localizations do not depend on the tolerance
succeeds "batch" "${run[@]}" -o a/batch --set sweep.processes=2
[ "$(wc -l <a/batch/results.csv)" -eq 13 ] || fail "results.csv: $(wc -l <a/batch/results.csv) lines"
head -n 1 a/batch/results.csv | grep -q '^synth\.photons,eval\.tolerance_nm,run\.seed,at_tolerance\.all\.true_positive,' ||
    fail "columns: $(head -c 200 a/batch/results.csv)"
for what in movie model locs; do
    [ "$(find a/batch/cache -maxdepth 1 -name "${what}_*" | wc -l)" -eq 4 ] || fail "$what is not shared"
done
grep -c 'made by this configuration before; reused' a/batch/points/*/log.txt | awk -F: '{ n += $2 } END { exit n < 16 }' ||
    fail "stages that were there were made again"
/usr/bin/python3 - <<'END' || fail "results.csv and results.h5 do not agree"
import csv, h5py, math
with open("a/batch/results.csv", newline="") as file:
    rows = list(csv.DictReader(file))
with h5py.File("a/batch/results.h5") as file:
    for name in rows[0]:
        column = file["results"][name][:]
        for row, value in zip(rows, column):
            text = row[name]
            assert math.isnan(value) if text == "" else math.isclose(float(text), value, rel_tol=1e-9, abs_tol=1e-12), name
assert sorted({(r["synth.photons"], r["run.seed"]) for r in rows}) == [("2000", "1"), ("2000", "2"), ("500", "1"), ("500", "2")]
for r in rows:  # the swept key reached the run, and a wider tolerance finds no less
    assert r["conventions.tolerance_nm"] == r["eval.tolerance_nm"]
by = {(r["synth.photons"], r["run.seed"], r["eval.tolerance_nm"]): float(r["at_tolerance.all.recall"]) for r in rows}
assert all(by[p, s, "100"] <= by[p, s, "150"] <= by[p, s, "200"] for p, s, _ in by)
END
for name in report.html figures/rmse_nm_over_synth.photons.svg figures/rmse_nm_over_synth.photons.png \
    figures/recall_over_eval.tolerance_nm.json; do
    [ -s "a/batch/$name" ] || fail "$name is missing"
done

# --- Again, elsewhere: nothing is done
cp -r a b
succeeds "again" "${run[@]}" -o b/batch
grep -q '12 runs, 12 of them done before' stderr || fail "done runs are not known: $(head -n 1 stderr)"
for name in results.csv results.h5 report.html; do
    cmp -s "a/batch/$name" "b/batch/$name" || fail "$name: other bytes when repeated"
done

# --- A value more: only its runs are new
succeeds "extended" "${run[@]}" -o b/batch --set 'sweep.eval.tolerance_nm=100..250:50'
grep -q '16 runs, 12 of them done before' stderr || fail "an extended batch starts again: $(head -n 1 stderr)"

# --- One at a time, on two threads, stopped and continued: the same bytes
"${run[@]}" -o d/batch --set sweep.processes=1 --threads 2 >stdout 2>stderr &
process=$!
while ! ls d/batch/points/*/point.stamp >/dev/null 2>&1 && kill -0 "$process" 2>/dev/null; do sleep 0.05; done
kill -INT "$process" 2>/dev/null
wait "$process"
code=$?
if [ -s d/batch/results.csv ]; then
    echo "note: the batch was over before it could be stopped"
else
    [ "$code" -eq 1 ] || fail "stopped: exit code $code"
    grep -q 'atomloc: stopped: [0-9]* of 12 runs are done' stderr || fail "the stop does not say what is done"
fi
succeeds "continue" "${run[@]}" -o d/batch
for name in results.csv results.h5 report.html; do
    cmp -s "a/batch/$name" "d/batch/$name" || fail "$name: other bytes when stopped, one at a time"
done

# --- A run that fails: the others are there, and it is said
refuses 1 '2 of 4 runs failed' "${run[@]}" -o e --set sweep.synth.photons=2000 --set sweep.eval.tolerance_nm=100 \
    --set 'sweep.synth.margin_px=0, 40'
grep -q 'margin_px' stderr || fail "the first failure is not quoted"
[ "$(wc -l <e/results.csv)" -eq 3 ] || fail "the runs that went well are not in results.csv"
grep -q '2 of 4 runs failed' e/report.html || fail "the report is silent about runs that failed"

# --- Mistakes, before any work
refuses 2 '\[sweep\] synth\.densty.*nearest.*density' "${run[@]}" -o f --set 'sweep.synth.densty=1,2'
refuses 2 '\[sweep\] synth\.frames.*out of range' "${run[@]}" -o f --set 'sweep.synth.frames=10, -5'
refuses 1 '\[sweep\] synth\.density: .*no values' "${run[@]}" -o f --set 'sweep.synth.density=5..1:1'
refuses 1 '\[sweep\] synth\.density: .*empty value' "${run[@]}" -o f --set 'sweep.synth.density=1,,2'
refuses 1 '\[sweep\] synth\.density: log:' "${run[@]}" -o f --set 'sweep.synth.density=log:0..1:3'
refuses 2 'cannot be swept' "${run[@]}" -o f --set 'sweep.run.cache=a,b'
refuses 2 'give one of the two' "${run[@]}" -o f --set 'sweep.run.seed=1,2'
refuses 1 '\[sweep\] synth\.density: .*no values' "$atomloc" config -c "$sweep" --set 'sweep.synth.density=5..1:1'
refuses 2 'for single runs' "${run[@]}" -o f --fail-under jaccard=1
refuses 2 'needs the eval stage' "$atomloc" run "$source_folder/tests/cli/tiny.ini" -o f --fail-under jaccard=1 --set run.stages=synth
nothing_left f/points

finish
