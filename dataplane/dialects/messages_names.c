/* Tool names and ids within Anthropic's alphabet, and signatures of other families in Anthropic's
 * fields. */
#include "dataplane/dialects/messages_inside.h"
#include "dataplane/dialects/tool_shape.h"

#define TOOL_NAME_MAX 128

struct str messages_id(struct arena *a, struct str id)
{
    return tool_text(a, id, TOOL_TEXT_ANY);
}

struct str messages_tool_name(struct arena *a, struct str name)
{
    return tool_text(a, name, TOOL_NAME_MAX);
}

struct str messages_tool_name_back(struct arena *a, const struct exchange_context *x,
                                   struct str name)
{
    return tool_text_back(a, x->request, name, TOOL_NAME_MAX);
}

static bool has_tool(const struct chat_request *q, struct str name)
{
    for (size_t i = 0; i < q->n_tools; i++) {
        if (!q->tools[i].builtin && str_eq(q->tools[i].name, name)) {
            return true;
        }
    }
    return false;
}

bool messages_is_json_answer(const struct exchange_context *x, struct str name)
{
    const struct chat_request *q = x->request;
    if (!q || q->family == FAMILY_MESSAGES ||
        (q->output != OUTPUT_SCHEMA && q->output != OUTPUT_JSON)) {
        return false;
    }
    if (str_eqz(name, MESSAGES_JSON_TOOL)) {
        return !has_tool(q, name);
    }
    /* called by the schema's name: a provider, or a gateway behind us, that does it in its own way
     */
    return q->n_tools == 0;
}

struct str messages_signature_text(struct arena *a, enum family f, struct str call,
                                   struct str signature)
{
    if (f == FAMILY_MESSAGES && call.len == 0) {
        return signature;
    }
    return arena_printf(a, "weir:%s:%.*s:%.*s", family_name(f), STR_ARG(call), STR_ARG(signature));
}

enum family messages_signature_read(struct str text, struct str *ret_call,
                                    struct str *ret_signature)
{
    struct str name, rest, call = STR_NONE;
    *ret_call = STR_NONE;
    *ret_signature = text;
    if (!str_starts(text, STR_LIT("weir:"))) {
        return FAMILY_MESSAGES;
    }
    if (!str_cut(str_slice(text, 5, text.len), ':', &name, &rest)) {
        return FAMILY_MESSAGES;
    }
    for (size_t i = rest.len; i > 0; i--) { /* the last one: a signature is base64 */
        if (rest.ptr[i - 1] == ':') {
            call = str_slice(rest, 0, i - 1);
            rest = str_slice(rest, i, rest.len);
            break;
        }
    }
    for (int f = FAMILY_CHAT; f < FAMILY_COUNT; f++) {
        if (str_eqz(name, family_name((enum family)f))) {
            *ret_signature = rest;
            *ret_call = call.len ? call : STR_NONE;
            return (enum family)f;
        }
    }
    *ret_signature = STR_NONE; /* of a family that is gone: nobody's */
    return FAMILY_NONE;
}
