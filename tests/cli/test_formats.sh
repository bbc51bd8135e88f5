#!/usr/bin/env bash
# One run writes every table format at once; other programs' readers find the emitters where they were put,
# and so do ours. Columns are chosen by name.
. "$(dirname "$0")/common.sh"
tiny=$source_folder/tests/cli/tiny.ini
check_formats() { /usr/bin/python3 "$source_folder/tests/cli/check_formats.py" "$@"; }

check_formats make movie.tif
if [ $? -eq 77 ]; then exit 0; fi
formats='hdf5 csv decode.h5 challenge.csv px.csv'
camera=(-c "$tiny" --set camera.pixel_size_nm=110)
outputs=()
for format in $formats; do outputs+=(-o "locs.$format"); done
succeeds "all formats" "$atomloc" localize movie.tif "${outputs[@]}" "${camera[@]}"
check_formats check locs || fail "an emitter is not where it was put"
check_formats whole locs || fail "uncertainties or backgrounds"

# --- Read back by us and written again, every format from every other
for format in $formats; do
    name=back_${format//./_}
    succeeds "read $format" "$atomloc" convert "locs.$format" "$name.hdf5" --set camera.pixel_size_nm=110
    for other in csv decode.h5 challenge.csv px.csv; do
        succeeds "$format to $other" "$atomloc" convert "$name.hdf5" "$name.$other"
    done
    check_formats check "$name" || fail "$format: read back, an emitter is elsewhere"
done

# --- Columns by name
columns() { succeeds "columns" "$atomloc" convert locs.hdf5 "$1" --set "output.columns=$2"; }
columns few.px.csv 'photons, frame,y, x,chi2,flags'
[ "$(head -n 1 few.px.csv)" = photons,frame,y_px,x_px,chi2,flags ] || fail "plain columns: $(head -n 1 few.px.csv)"
columns few.csv 'frame, x, y, photons'
[ "$(head -n 1 few.csv)" = '"id","frame","x [nm]","y [nm]","intensity [photon]"' ] || fail "ThunderSTORM's columns"
columns few.decode.h5 'bg'
columns few.hdf5 'photons, llr'
/usr/bin/python3 - <<'END' || fail "columns that were not wanted, or are missing"
import h5py
with h5py.File("few.hdf5") as a, h5py.File("few.decode.h5") as b:
    assert a["locs"].dtype.names == ("frame", "x", "y", "photons", "lpx", "lpy", "llr"), a["locs"].dtype
    shapes = {name: values.shape for name, values in b["data"].items()}
    assert shapes["bg"] and shapes["phot"] and shapes["xyz_sig"] is None and shapes["phot_sig"] is None
END
all=frame,x,y,photons,sx,sy,bg,lpx,lpy,photons_unc,bg_unc,sx_unc,sy_unc,llr,chi2,deviance,deviance_expected,deviance_sd
refuses 2 'the column x is named twice' "$atomloc" convert locs.hdf5 twice.px.csv --set output.columns=frame,x,x
columns all.px.csv "$all,iterations,blocks,flags"
succeeds "all columns read" "$atomloc" convert all.px.csv again.px.csv --set "output.columns=$all,iterations,blocks,flags"
cmp -s all.px.csv again.px.csv || fail "plain CSV does not read back what it wrote"

refuses 2 "output\.columns.*'fotons'; there are frame, x, y, photons" "$atomloc" localize movie.tif -o no.csv \
    --set output.columns=x,fotons
refuses 2 'no\.csv is given twice' "$atomloc" localize movie.tif -o no.csv -o no.hdf5 -o no.csv
refuses 2 '-o is given twice' "$atomloc" synth -c "$tiny" -o a.tif -o b.tif
refuses 1 'no\.xyz: no table format' "$atomloc" localize movie.tif -o no.csv -o no.xyz
nothing_left no.csv no.hdf5 no_model.h5

finish
