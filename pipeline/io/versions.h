/* Versions of the wrapped libraries, for provenance: "1.10.8". Static text. */
#ifndef ATM_VERSIONS_H
#define ATM_VERSIONS_H

const char *atm_h5_library_version(void);
const char *atm_tiff_library_version(void);

#endif
