/* Units of length as metadata write them. */
#ifndef ATM_LENGTH_UNIT_H
#define ATM_LENGTH_UNIT_H

/* The unit that `text` begins with and that ends where no letter follows, in nm; NAN unknown. */
double atm_length_unit_nm(const char *text);
/* nm, or NAN where it is another quantity, or the 72 dpi of a program that knows no microscope. */
double atm_plausible_pixel_size(double nm);

#endif
