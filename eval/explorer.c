#include "explorer.h"

#include "base64.h"
#include "eval_assets.h"
#include "json.h"
#include "mem.h"
#include "outfile.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Values on a stream ---- */

static void put_base64(FILE *out, const void *bytes, size_t size) {
    fputc('"', out);
    atm_base64_put(out, bytes, size);
    fputc('"', out);
}

/* As little-endian float32. */
static void put_floats(FILE *out, const float *values, ptrdiff_t count) {
    put_base64(out, values, (size_t)count * sizeof *values);
}

static void put_numbers(FILE *out, const float *values, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) {
        fputc(i ? ',' : '[', out);
        atm_json_number(out, (double)values[i]);
    }
    fputc(']', out);
}

/* ---- The model ---- */

static void put_layer(FILE *out, const struct atm_net *net, int index) {
    const struct atm_layer *layer = atm_net_layer(net, index);
    const int tensor = atm_net_layer_tensor(net, index);
    fprintf(out, "%s\n{\"kind\":\"%s\",\"name\":\"%s\"", index ? "," : "",
            atm_net_kind_name(layer->kind), layer->name);
    if (layer->kind == ATM_LAYER_LRELU)
        fprintf(out, ",\"slope\":%.9g", (double)layer->slope);
    if (layer->kind == ATM_LAYER_RESHAPE)
        fprintf(out, ",\"shape\":[%d,%d,%d]", layer->shape[0], layer->shape[1], layer->shape[2]);
    if (layer->kind == ATM_LAYER_PLACE)
        fprintf(out, ",\"cell\":%d", layer->cell);
    if (tensor >= 0)
        fprintf(out, ",\"out\":%d,\"kernel\":%d,\"stride\":%d,\"weight\":%td,\"bias\":%td",
                layer->out, layer->kernel, layer->stride, atm_net_tensor(net, tensor)->offset,
                layer->no_bias ? (ptrdiff_t)-1 : atm_net_tensor(net, tensor + 1)->offset);
    fputc('}', out);
}

void atm_explorer_put_model(FILE *out, const struct atm_explorer_model *model) {
    const ptrdiff_t *input = atm_net_input(model->decoder);
    fprintf(out, "{\"input\":[%td,%td,%td],\"grid\":[%td,%td],\"perCell\":%td,\"layers\":[",
            input[0], input[1], input[2], model->grid_y, model->grid_x, model->per_cell);
    for (int i = 0; i < atm_net_layer_count(model->decoder); i++)
        put_layer(out, model->decoder, i);
    fprintf(out, "],\n\"weights\":");
    put_floats(out, model->params, atm_net_param_count(model->decoder));
    fputc('}', out);
}

/* ---- Images ---- */

/* The images of the page, taken together. */
struct chosen {
    ptrdiff_t count;
    ptrdiff_t *index;
    float *input, *latents, *shares; /* (count, H * W), (count, blocks, d0), (count, blocks) */
    double *norms;                   /* (count, blocks) */
    float *expected;                 /* the program's image of the first */
    uint8_t *levels;                 /* one image */
};

static void chosen_free(struct chosen *c) {
    atm_mem_free(c->index);
    atm_mem_free(c->input);
    atm_mem_free(c->latents);
    atm_mem_free(c->shares);
    atm_mem_free(c->norms);
    atm_mem_free(c->expected);
    atm_mem_free(c->levels);
}

static enum atm_status chosen_take(struct atm_figure_set *set, struct chosen *c,
                                   struct atm_err *err) {
    const ptrdiff_t pixels = set->height * set->width, blocks = set->size.blocks;
    const size_t n = (size_t)c->count, all = n * (size_t)blocks;
    c->index = atm_mem_alloc(n, sizeof *c->index);
    c->input = atm_mem_alloc(n * (size_t)pixels, sizeof *c->input);
    c->latents = atm_mem_alloc(all * (size_t)set->model->latent, sizeof *c->latents);
    c->shares = atm_mem_alloc(all, sizeof *c->shares);
    c->norms = atm_mem_alloc(all, sizeof *c->norms);
    c->expected = atm_mem_alloc((size_t)pixels, sizeof *c->expected);
    c->levels = atm_mem_alloc((size_t)pixels, 1);
    if (!c->index || !c->input || !c->latents || !c->shares || !c->norms || !c->expected ||
        !c->levels)
        return atm_err_memory(err, "the page");
    for (ptrdiff_t i = 0; i < c->count; i++)
        c->index[i] = i * set->count / c->count;
    enum atm_status status =
        atm_figure_set_encode(set, c->count, c->index, c->input, c->latents, err);
    if (!status)
        status = atm_figure_set_norms(set, c->count * blocks, c->latents, c->norms, err);
    if (status)
        return status;
    for (ptrdiff_t i = 0; i < c->count * blocks; i++) {
        const double norm = atm_figure_set_norm(set, c->input + i / blocks * pixels);
        c->shares[i] = (float)(norm > 0 ? c->norms[i] / norm : 0);
    }
    atm_figure_set_decode(set, 1, c->latents, c->expected);
    return ATM_OK;
}

/* An input in 256 levels of its own range. */
static void put_pixels(FILE *out, const float *image, ptrdiff_t pixels, uint8_t *levels) {
    float low = image[0], high = image[0];
    for (ptrdiff_t i = 1; i < pixels; i++) {
        low = fminf(low, image[i]);
        high = fmaxf(high, image[i]);
    }
    const double range = high > low ? (double)high - (double)low : 1;
    for (ptrdiff_t i = 0; i < pixels; i++)
        levels[i] = (uint8_t)lrint(255 * ((double)image[i] - (double)low) / range);
    fprintf(out, "\"low\":%.7g,\"high\":%.7g,\"pixels\":", (double)low, (double)low + range);
    put_base64(out, levels, (size_t)pixels);
}

static void put_image(FILE *out, const struct atm_figure_set *set, const struct chosen *c,
                      ptrdiff_t i) {
    const ptrdiff_t pixels = set->height * set->width, blocks = set->size.blocks;
    const struct atm_loc *rows;
    const ptrdiff_t spikes = atm_figure_set_truth(set, c->index[i], &rows);
    fprintf(out, "%s\n{\"name\":\"image %td\",", i ? "," : "", set->first_frame + c->index[i]);
    put_pixels(out, c->input + i * pixels, pixels, c->levels);
    fprintf(out, ",\"latents\":");
    put_floats(out, c->latents + i * blocks * set->model->latent, blocks * set->model->latent);
    fprintf(out, ",\"shares\":");
    put_floats(out, c->shares + i * blocks, blocks);
    if (set->truth) {
        fprintf(out, ",\"truth\":[");
        for (ptrdiff_t j = 0; j < spikes; j++)
            fprintf(out, "%s[%.2f,%.2f]", j ? "," : "", rows[j].x, rows[j].y);
        fputc(']', out);
    }
    fputc('}', out);
}

/* ---- The page ---- */

static void put_page(FILE *out, const struct atm_figure_set *set, const struct chosen *c,
                     const struct atm_explorer_figure *figures, int figure_count) {
    fwrite(atm_asset_explorer_html, 1, atm_asset_explorer_html_size, out);
    const struct atm_model *model = set->model;
    const ptrdiff_t ranges = set->size.per_cell * model->latent;
    const struct atm_explorer_model shown = {
        model->decoder, model->params + atm_net_param_count(model->encoder), set->size.grid_y,
        set->size.grid_x, set->size.per_cell};
    fprintf(out, "<script type=\"application/json\" id=\"data\">\n{\"model\":");
    atm_explorer_put_model(out, &shown);
    fprintf(out, ",\n\"height\":%td,\"width\":%td,\"active\":%g,\n\"low\":", set->height,
            set->width, set->active);
    put_numbers(out, set->low, ranges);
    fprintf(out, ",\"high\":");
    put_numbers(out, set->high, ranges);
    fprintf(out, ",\n\"images\":[");
    for (ptrdiff_t i = 0; i < c->count; i++)
        put_image(out, set, c, i);
    fprintf(out, "],\n\"expected\":");
    put_floats(out, c->expected, set->height * set->width);
    fprintf(out, ",\n\"figures\":[");
    for (int i = 0; i < figure_count; i++) {
        fputs(i ? ",[" : "[", out);
        atm_json_text(out, figures[i].file);
        fputc(',', out);
        atm_json_text(out, figures[i].text);
        fputc(']', out);
    }
    fprintf(out, "]}\n</script>\n<script>\n");
    fwrite(atm_asset_explorer_decoder_js, 1, atm_asset_explorer_decoder_js_size, out);
    fwrite(atm_asset_explorer_js, 1, atm_asset_explorer_js_size, out);
    fprintf(out, "</script>\n</body>\n</html>\n");
}

enum atm_status atm_explorer_write(struct atm_figure_set *set, ptrdiff_t images,
                                   const struct atm_explorer_figure *figures, int figure_count,
                                   const char *path, struct atm_err *err) {
    struct chosen chosen = {.count = images < set->count ? images : set->count};
    char *text = NULL;
    size_t size = 0;
    enum atm_status status = chosen_take(set, &chosen, err);
    FILE *out = status ? NULL : open_memstream(&text, &size);
    if (out) {
        put_page(out, set, &chosen, figures, figure_count);
        const bool whole = !ferror(out);
        status = fclose(out) == 0 && whole ? atm_outfile_write_text(path, text, err)
                                           : atm_err_memory(err, "the page");
    } else if (!status) {
        status = atm_err_memory(err, "the page");
    }
    free(text);
    chosen_free(&chosen);
    return status;
}
