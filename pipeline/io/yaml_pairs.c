#include "yaml_pairs.h"

#include <stdbool.h>
#include <string.h>
#include <yaml.h>

/* Nodes of a document lie in one flat array, so mappings at any depth are met without recursion. */
static enum atm_status take_document(yaml_document_t *document, atm_yaml_take *take, void *context,
                                     struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (yaml_node_t *node = document->nodes.start; node < document->nodes.top; node++) {
        if (node->type != YAML_MAPPING_NODE)
            continue;
        yaml_node_pair_t *pair = node->data.mapping.pairs.start;
        for (; pair < node->data.mapping.pairs.top && status == ATM_OK; pair++) {
            const yaml_node_t *key = yaml_document_get_node(document, pair->key);
            const yaml_node_t *value = yaml_document_get_node(document, pair->value);
            if (key->type == YAML_SCALAR_NODE && value->type == YAML_SCALAR_NODE)
                status = take((const char *)key->data.scalar.value,
                              (const char *)value->data.scalar.value, context, err);
        }
    }
    return status;
}

enum atm_status atm_yaml_pairs(const char *path, const char *text, atm_yaml_take *take,
                               void *context, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return atm_err_memory(err, path);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    for (bool more = true; more && status == ATM_OK;) {
        yaml_document_t document;
        if (!yaml_parser_load(&parser, &document)) {
            status = atm_err_set(
                err, ATM_FAIL, "%s:%zu: not valid YAML (%s); repair the file or take it away", path,
                parser.problem_mark.line + 1, parser.problem ? parser.problem : "unknown problem");
            break;
        }
        more = yaml_document_get_root_node(&document) != NULL;
        status = take_document(&document, take, context, err);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return status;
}
