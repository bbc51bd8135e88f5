/* What the sanitizers are told, under either driver. */

/* Damaged files make libraries ask for absurd sizes: that is an error to be handled, as without the
 * sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

/* HDF5 (1.10.8) itself loses some memory over damaged files. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5\n"; }
