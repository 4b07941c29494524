/* Custom tools as functions of one text; see openai_freeform.h. */
#include "dataplane/dialects/openai_freeform.h"

#define SCHEMA                                                                             \
    "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\",\"description\":" \
    "\"The tool's whole input, as plain text\"}},\"required\":[\"input\"],"                \
    "\"additionalProperties\":false}"

/* The grammar's text, and its kind; chat completions nest them once more. */
static struct str grammar_of(struct arena *a, struct json_value o, struct str *ret_syntax)
{
    struct json_value format, inner;
    if (!read_get(o, "format", &format) || !str_eqz(read_get_text(a, format, "type"), "grammar")) {
        return STR_NONE;
    }
    if (read_get(format, "grammar", &inner)) {
        format = inner;
    }
    *ret_syntax = read_get_text(a, format, "syntax");
    return read_get_text(a, format, "definition");
}

static struct str joined(struct arena *a, const struct str *texts, size_t n)
{
    struct part parts[4];
    for (size_t i = 0; i < n && i < 4; i++) {
        parts[i] = (struct part){.type = PART_TEXT, .text = texts[i]};
    }
    return parts_text(a, parts, n, STR_LIT(""), NULL);
}

bool openai_read_freeform(struct openai_decode *d, struct json_value tool)
{
    struct json_value o;
    struct str syntax = STR_NONE;
    struct tool *t = tool_add(d->a, &d->q->tools, &d->q->n_tools, &d->cap_tools);
    if (!t) {
        return openai_no_room(d);
    }
    if (!read_get(tool, "custom", &o)) {
        o = tool;
    }
    t->freeform = true;
    t->raw = tool.raw;
    t->strict = -1;
    t->name = read_get_text(d->a, o, "name");
    if (!t->name.len) {
        (void)openai_path_name(d, "name");
        return openai_bad(d, "must be the tool's name");
    }
    t->description = read_get_text(d->a, o, "description");
    t->parameters = STR_LIT(SCHEMA);
    struct str grammar = grammar_of(d->a, o, &syntax);
    if (grammar.len) {
        bool regex = str_eqz(syntax, "regex");
        const struct str texts[] = {t->description.ptr ? t->description : STR_LIT(""),
                                    regex ? STR_LIT("\n\nThe input must match this regex:\n")
                                          : STR_LIT("\n\nThe input must follow this Lark "
                                                    "grammar:\n"),
                                    grammar};
        t->description = joined(d->a, texts, 3);
        return t->description.ptr || openai_no_room(d);
    }
    return true;
}

struct str openai_freeform_arguments(struct arena *a, struct str input)
{
    struct json_writer w;
    struct buffer b;
    struct str ret = STR_NONE;
    buffer_init(&b, 6 * input.len + 64);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_str(&w, "input", input.ptr ? input : STR_LIT(""));
    json_object_end(&w);
    if (!b.failed) {
        ret = arena_str(a, buffer_str(&b));
    }
    buffer_release(&b);
    return ret;
}

struct str openai_freeform_input(struct arena *a, struct str arguments)
{
    struct json_value o, v;
    if (!read_json(arguments, &o) || o.type != JSON_OBJECT) {
        return arguments.ptr ? arguments : STR_LIT("");
    }
    if (read_get(o, "input", &v) && v.type == JSON_STRING) {
        struct str text = read_text(a, v);
        return text.ptr ? text : STR_LIT("");
    }
    size_t pos = 0;
    return json_next(o, &pos, NULL, &v) ? arguments : STR_LIT("");
}

bool openai_is_freeform(const struct chat_request *q, struct str name)
{
    for (size_t i = 0; q && i < q->n_tools; i++) {
        if (q->tools[i].freeform && str_eq(q->tools[i].name, name)) {
            return true;
        }
    }
    return false;
}
