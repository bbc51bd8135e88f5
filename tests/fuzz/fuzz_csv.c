/* Text tables (and, behind the same door, whatever is neither text nor HDF5): no crash, and what is
 * read is usable. */
#include "fuzz.h"

#include "outfile.h"
#include "table.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct atm_err err = {0};
    struct atm_table table;
    struct atm_fuzz_file file;
    if (!atm_fuzz_file_open(&file, data, size))
        return 0;
    if (atm_table_read(file.path, 100, &table, &err) != ATM_OK && !err.text[0])
        abort(); /* every failure says what is wrong */
    for (ptrdiff_t i = 0; i < table.count; i++)
        if (!isfinite(table.rows[i].x) || !isfinite(table.rows[i].y) || table.rows[i].frame < 0)
            abort();
    atm_table_sort(&table);
    atm_table_free(&table);
    atm_fuzz_file_close(&file);
    return 0;
}

bool atm_fuzz_seed(int index, const char *path) {
    static const char *const texts[] = {
        "frame,x_px,y_px,photons\n4,12,7,800.25\n0,-0.25,3.5,nan\n",
        "\"id\",\"frame\",\"x [nm]\",\"y [nm]\",\"sigma1 [nm]\",\"sigma2 [nm]\",\"intensity "
        "[photon]\",\"offset [photon]\",\"bkgstd [photon]\",\"chi2\",\"uncertainty [nm]\"\n"
        "7,1,100,200,150,160,900,12,3.5,1.25,8\n8,2,NaN,Infinity,1,1,1,1,1,1,1\n",
        "\"frame\"\t\"x [um]\"\t\"y [um]\"\t\"intensity [photons]\"\n5.0\t1.25\t.75\t8.0025e2\n",
        "frame;x [px];y [px];intensity [photon]\r5;12.5;7.5;800.25",
        "Ground-truth,frame,xnano,ynano,znano,intensity \n1,5,1250,750,0,800.25\n",
        "5,1250,750,0,800.25\n6,1,2,3,\n",
        "\xef\xbb\xbfNo,Frame,Emitter,x (nm),y (nm),Intensity "
        "(photons)\r\n5,5,9,1250,750,800.25\r\n",
        "# made by hand\n\nframe,x_nm,y_nm,uncertainty_xy\n\n5,1250,750,\xe2\x88\x9e\n,,,\n",
    };
    return index >= 0 && index < (int)(sizeof texts / sizeof *texts) &&
           atm_outfile_write_text(path, texts[index], NULL) == ATM_OK;
}
