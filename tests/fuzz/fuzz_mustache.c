/* Any template with any data, and any prompt document with any body. The input is cut at its NUL
 * bytes: template, data, a partial (named "p"). What must hold: rendering twice gives the same;
 * without sections, partials and tags text comes out as it went in; a template of JSON text that is
 * JSON before renders to JSON again, whatever the data; and what prompt_expand makes is JSON. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/mustache.h"
#include "common/rules/prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (256u << 10)

static struct str next_part(struct str *rest)
{
    struct str part = *rest, tail;
    if (str_cut(*rest, '\0', &part, &tail)) {
        *rest = tail;
    } else {
        *rest = STR_LIT("");
    }
    return part;
}

static const struct mustache *find_partial(void *arg, struct str name)
{
    return str_eqz(name, "p") ? arg : NULL;
}

static bool render(const struct mustache *m, const struct mustache *partial, struct json_value v,
                   enum mustache_escape escape, struct arena *a, struct buffer *out)
{
    struct mustache_options o = {
        .escape = escape, .partial = find_partial, .partial_arg = (void *)(uintptr_t)partial};
    struct error err = ERROR_INIT;
    buffer_clear(out);
    bool good = mustache_render(m, v, &o, a, out, &err);
    assert(good == (err.code == ERR_NONE));
    return good;
}

static bool note_name(void *arg, const struct mustache_name *n)
{
    bool *quoted = arg;
    assert(n->name.len > 0);
    *quoted = *quoted || memchr(n->name.ptr, '"', n->name.len);
    return true;
}

static void try_template(struct str text, struct str json, struct str part, struct arena *a)
{
    const struct mustache *m, *partial = NULL;
    struct error err = ERROR_INIT;
    struct json_value v, ignored;
    struct buffer one, two;
    if (!mustache_compile(text, a, &m, &err)) {
        assert(err.code != ERR_NONE && err.line >= 1 && err.column >= 1);
        return;
    }
    bool quoted = false; /* a tag that goes on behind the string that it began in */
    mustache_each_name(m, note_name, &quoted);
    if (!mustache_compile(part, a, &partial, NULL)) {
        partial = NULL;
    }
    if (!json_validate(json, 0, &v, NULL)) {
        (void)json_validate(STR_LIT("{\"a\":[{\"b\":\"\\\"x\"},{}],\"c\":{\"d\":1},\"e\":\"p\"}"),
                            0, &v, NULL);
    }
    buffer_init(&one, OUT_MAX);
    buffer_init(&two, OUT_MAX);
    if (render(m, partial, v, MUSTACHE_PLAIN, a, &one)) {
        assert(render(m, partial, v, MUSTACHE_PLAIN, a, &two));
        assert(str_eq(buffer_str(&one), buffer_str(&two)));
        if (!memmem(text.ptr, text.len, "{{", 2)) {
            assert(str_eq(buffer_str(&one), text));
        }
    }
    (void)render(m, partial, v, MUSTACHE_HTML, a, &two);
    /* data stays within the quotes of a template that has no more than values in strings */
    bool is_json = json_validate(text, 0, &ignored, NULL);
    bool plain = !memmem(text.ptr, text.len, "{{#", 3) && !memmem(text.ptr, text.len, "{{^", 3) &&
                 !memmem(text.ptr, text.len, "{{>", 3) && !memmem(text.ptr, text.len, "{{ ", 3) &&
                 !memmem(text.ptr, text.len, "{{!", 3) && !memmem(text.ptr, text.len, "{{=", 3) &&
                 !memmem(text.ptr, text.len, "\\", 1);
    if (is_json && plain && !quoted && render(m, NULL, v, MUSTACHE_JSON, a, &one)) {
        assert(json_validate(buffer_str(&one), 0, &ignored, NULL));
    }
    buffer_release(&one);
    buffer_release(&two);
}

static bool ignore_variable(void *arg, struct str name, bool required, struct str default_json)
{
    (void)arg;
    (void)required;
    assert(name.ptr && (!default_json.ptr || default_json.len));
    return true;
}

static void try_prompt(struct str document, struct str body, struct str part, struct arena *a)
{
    const struct prompt *p;
    const struct mustache *partial = NULL;
    struct error err = ERROR_INIT;
    struct prompt_input in = {.partial = find_partial};
    struct json_value v;
    struct str made;
    (void)prompt_partial_compile(part, a, &partial, NULL);
    in.partial_arg = (void *)(uintptr_t)partial;
    if (!prompt_compile(document, a, &p, &err)) {
        assert(err.code != ERR_NONE);
        return;
    }
    prompt_each_variable(p, ignore_variable, NULL);
    if (json_validate(body, 0, &v, NULL) && v.type == JSON_OBJECT) {
        struct json_member m = {.name = STR_LIT("variables")};
        if (json_members(v, &m, 1, NULL) && m.found) {
            in.variables = m.value;
        }
        in.overrides = v;
    }
    if (prompt_expand(p, &in, a, &made, &err)) {
        /* only its depth may be more than a reader takes */
        struct error why = ERROR_INIT;
        assert(json_validate(made, 0, &v, &why) || strstr(error_text(&why), "deep"));
    } else {
        assert(err.code != ERR_NONE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct arena *a = arena_new(64u << 20);
    struct str text = next_part(&rest), json = next_part(&rest), part = next_part(&rest);
    try_template(text, json, part, a);
    try_prompt(text, json, part, a);
    arena_free(a);
    return 0;
}
