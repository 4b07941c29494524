/* See params.h. */
#include "dataplane/stages/params.h"

#include "common/json.h"
#include "dataplane/canonical/head.h"

#define SCALE 6 /* digits behind the point that bounds are compared by */

enum action { KEEP = 0, RENAME, DROP, CLAMP_MOST, CLAMP_LEAST };

/* What is to happen to one member. */
struct rule {
    enum action action;
    struct str text; /* new name, or bound */
};

static bool in_openai_dialect(enum provider_api api)
{
    return api == API_CHAT || api == API_RESPONSES || api == API_EMBEDDINGS;
}

bool params_apply(const struct snap_provider *p, enum provider_api api)
{
    bool row = p->row && p->row->params && api == API_CHAT;
    return row || (in_openai_dialect(api) && (p->rename_json.len || p->drop_json.len));
}

static bool cut_rule(struct str word, struct str name, struct rule *ret)
{
    static const struct {
        struct str mark;
        enum action action;
    } marks[] = {{STR_LIT("<="), CLAMP_MOST}, {STR_LIT(">="), CLAMP_LEAST}, {STR_LIT("="), RENAME}};
    if (str_starts(word, STR_LIT("-"))) {
        bool meant = str_eq(str_slice(word, 1, word.len), name);
        ret->action = meant ? DROP : ret->action;
        return meant;
    }
    if (!str_starts(word, name)) {
        return false;
    }
    struct str rest = str_slice(word, name.len, word.len);
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (str_starts(rest, marks[i].mark)) {
            *ret = (struct rule){marks[i].action, str_slice(rest, marks[i].mark.len, rest.len)};
            return true;
        }
    }
    return false;
}

static bool row_rule(const struct provider_row *row, struct str name, struct rule *ret)
{
    struct str rest = str_of(row && row->params ? row->params : ""), word;
    while (rest.len) {
        if (!str_cut(rest, ' ', &word, &rest)) {
            word = rest;
            rest = STR_NONE;
        }
        if (word.len && cut_rule(word, name, ret)) {
            return true;
        }
    }
    return false;
}

static bool own_rule(const struct snap_provider *p, struct str name, struct rule *ret)
{
    struct json_value all = {.type = JSON_ARRAY, .raw = p->drop_json}, key, value;
    size_t pos = 0;
    while (p->drop_json.len && json_next(all, &pos, NULL, &value)) {
        if (json_text_eq(value, name)) {
            *ret = (struct rule){.action = DROP};
            return true;
        }
    }
    all = (struct json_value){.type = JSON_OBJECT, .raw = p->rename_json};
    pos = 0;
    while (p->rename_json.len && json_next(all, &pos, &key, &value)) {
        if (json_text_eq(key, name) && value.type == JSON_STRING && !value.escaped) {
            *ret = (struct rule){RENAME, json_text(value)};
            return true;
        }
    }
    return false;
}

static struct rule rule_for(const struct snap_provider *p, enum provider_api api, struct str name)
{
    struct rule r = {.action = KEEP};
    if (!own_rule(p, name, &r) && api == API_CHAT) {
        (void)row_rule(p->row, name, &r);
    }
    return r;
}

/* "1" or "0.5" as the scanner reads numbers of JSON. */
static bool beyond(struct json_value v, const struct rule *r)
{
    struct json_value bound = {.type = JSON_NUMBER, .raw = r->text};
    int64_t a, b;
    return v.type == JSON_NUMBER && json_decimal(v, SCALE, &a) && json_decimal(bound, SCALE, &b) &&
           (r->action == CLAMP_MOST ? a > b : a < b);
}

static bool has_member(struct json_value object, struct str name)
{
    size_t pos = 0;
    struct json_value key, value;
    while (json_next(object, &pos, &key, &value)) {
        if (json_text_eq(key, name)) {
            return true;
        }
    }
    return false;
}

static bool rename_member(struct splice *s, struct json_value object, struct json_value name,
                          struct str to)
{
    if (has_member(object, to)) {
        return true; /* the client said both: its own word under the right name counts */
    }
    struct head h;
    if (!head_init(&h, s->arena, 6 * to.len + 2)) {
        return false;
    }
    head_put(&h, STR_LIT("\""));
    head_put_json(&h, to);
    head_put(&h, STR_LIT("\""));
    return !h.failed && splice_replace(s, name.raw.ptr, name.raw.len, head_str(&h));
}

static bool tell(struct splice *s, struct losses *losses, struct str name)
{
    struct str kept = arena_str(s->arena, name);
    if (losses && kept.ptr) {
        losses_add_name(losses, kept);
    }
    return kept.ptr != NULL;
}

static struct str name_text(struct json_value name)
{
    return name.escaped ? STR_NONE : json_text(name);
}

/* Runs of members that go: from the first one's name to the next that stays, or, at the object's
 * end, from the last that stays. */
static bool drop_members(const struct snap_provider *p, enum provider_api api,
                         struct json_value object, struct splice *s, struct losses *losses)
{
    struct json_value name, value;
    const char *kept_end = object.raw.ptr + 1, *run = NULL;
    size_t pos = 0;
    while (json_next(object, &pos, &name, &value)) {
        struct str text = name_text(name);
        if (text.ptr && rule_for(p, api, text).action == DROP) {
            run = run ? run : name.raw.ptr;
            if (!tell(s, losses, text)) {
                return false;
            }
            continue;
        }
        if (run && !splice_replace(s, run, (size_t)(name.raw.ptr - run), STR_LIT(""))) {
            return false;
        }
        run = NULL;
        kept_end = value.raw.ptr + value.raw.len;
    }
    const char *end = object.raw.ptr + object.raw.len - 1;
    return !run || splice_replace(s, kept_end, (size_t)(end - kept_end), STR_LIT(""));
}

bool params_edit(const struct snap_provider *p, enum provider_api api, struct str body,
                 struct splice *s, struct losses *losses)
{
    const char *brace = memchr(body.ptr, '{', body.len);
    struct json_value object, name, value;
    size_t pos = 0;
    if (!brace || !json_validate(body, 0, &object, NULL) || object.type != JSON_OBJECT) {
        return true;
    }
    while (json_next(object, &pos, &name, &value)) {
        struct str text = name_text(name);
        struct rule r = text.ptr ? rule_for(p, api, text) : (struct rule){.action = KEEP};
        bool ok = true;
        if (r.action == RENAME) {
            ok = rename_member(s, object, name, r.text);
        } else if ((r.action == CLAMP_MOST || r.action == CLAMP_LEAST) && beyond(value, &r)) {
            ok = splice_replace(s, value.raw.ptr, value.raw.len, r.text);
        }
        if (!ok) {
            return false;
        }
    }
    return drop_members(p, api, object, s, losses);
}
