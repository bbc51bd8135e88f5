#include "textfile.h"

#include "mem.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum atm_status atm_textfile_open(const char *path, FILE **file, long long *size_bytes,
                                  struct atm_err *err) {
    struct stat about;
    *file = fopen(path, "rbe");
    if (!*file)
        return atm_err_errno(err, path, "open");
    if (fstat(fileno(*file), &about) != 0 || S_ISDIR(about.st_mode)) {
        fclose(*file);
        *file = NULL;
        return atm_err_set(err, ATM_FAIL, "%s: is a folder, a file is needed", path);
    }
    if (size_bytes)
        *size_bytes = S_ISREG(about.st_mode) ? (long long)about.st_size : -1;
    return ATM_OK;
}

/* Everything up to limit + 1 bytes, so that the caller sees "too long"; NULL when out of memory. */
static char *slurp(FILE *file, size_t limit, size_t *length) {
    size_t capacity = 4096;
    char *text = atm_mem_alloc(capacity, 1);
    *length = 0;
    while (text) {
        *length += fread(text + *length, 1, capacity - 1 - *length, file);
        if (*length < capacity - 1 || *length > limit)
            break;
        char *grown = atm_mem_grow(text, capacity, 2 * capacity, 1);
        if (!grown)
            atm_mem_free(text);
        text = grown;
        capacity *= 2;
    }
    if (text)
        text[*length] = '\0';
    return text;
}

enum atm_status atm_textfile_read(const char *path, size_t limit, char **text,
                                  struct atm_err *err) {
    FILE *file = NULL;
    size_t length = 0;
    *text = NULL;
    enum atm_status status = atm_textfile_open(path, &file, NULL, err);
    if (status != ATM_OK)
        return status;
    char *content = slurp(file, limit, &length);
    if (!content)
        status = atm_err_memory(err, path);
    else if (ferror(file))
        status = atm_err_errno(err, path, "read");
    else if (length > limit)
        status = atm_err_set(err, ATM_FAIL, "%s: more than %zu bytes, not the expected small text",
                             path, limit);
    else if (strlen(content) != length)
        status = atm_err_set(err, ATM_FAIL, "%s: not a text file (zero byte at %zu)", path,
                             strlen(content));
    fclose(file);
    if (status != ATM_OK) {
        atm_mem_free(content);
        return status;
    }
    *text = content;
    return ATM_OK;
}
