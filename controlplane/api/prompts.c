/* Prompts and the partials that they include (docs/prompts.md): versioned documents. */
#include "common/rules/prompt.h"
#include "controlplane/api/documents.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/changes.h"

static const char *check_prompt_name(struct str s)
{
    return s.len >= 4 && str_eq_nocase(str_slice(s, 0, 4), STR_LIT("prm_"))
               ? "must not begin as ids do (prm_)"
               : validate_slug(s);
}

static const struct field fields[] = {
    DOCUMENT_FIELDS(check_prompt_name),
    {.name = "partial", .kind = FIELD_BOOL, .column = PROMPT_PARTIAL, .flags = FIELD_CREATE},
};

static bool load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err)
{
    return document_load(c, &prompts_table, rows, n, ret, err);
}

#define SHARED                                                                    \
    .kind = "prompt", .prefix = "prm", .table = &prompts_table, .fields = fields, \
    .n_fields = sizeof fields / sizeof fields[0], .extras = document_extras,      \
    .read = PERMISSION_PROMPT_READ, .change_kind = CONFIG_PROMPT, .shared = true, \
    .prepare = document_prepare, .stored = document_stored, .removing = document_removing

const struct resource prompt_resource = {SHARED, .load = load, .show = document_show};
static const struct resource quiet = {SHARED};

static bool check(struct str document, bool partial, struct arena *a, struct error *err)
{
    const struct mustache *text;
    const struct prompt *prompt;
    return partial ? prompt_partial_compile(document, a, &text, err)
                   : prompt_compile(document, a, &prompt, err);
}

static bool put_variable(void *arg, struct str name, bool required, struct str default_json)
{
    struct json_writer *w = arg;
    json_object_begin(w);
    json_field_str(w, "name", name);
    json_field_bool(w, "required", required);
    json_name(w, "default");
    if (default_json.ptr) {
        json_put_raw(w, default_json);
    } else {
        json_put_null(w);
    }
    json_object_end(w);
    return true;
}

static void describe(struct json_writer *w, struct str document, bool partial, struct arena *a)
{
    const struct prompt *p;
    struct error ignored = ERROR_INIT;
    json_name(w, "variables");
    json_array_begin(w);
    if (!partial && prompt_compile(document, a, &p, &ignored)) {
        prompt_each_variable(p, put_variable, w);
    }
    json_array_end(w);
}

const struct document_kind prompt_document_kind = {
    .resource = &prompt_resource,
    .quiet = &quiet,
    .publish = PERMISSION_PROMPT_PUBLISH,
    .document_max = PROMPT_MAX_DOCUMENT,
    .check = check,
    .root = "",
    .describe = describe,
};
