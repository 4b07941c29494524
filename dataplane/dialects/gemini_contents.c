/* The contents of a request read into messages: results get their calls' ids, adjacent turns of the
 * model become one message, pieces of a streamed turn one text. See gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

#include <stdio.h>

struct open_call {
    struct str id, name;
    bool answered;
};

struct reader {
    struct arena *a;
    struct chat_request *q;
    size_t cap_messages, cap_parts, cap_extras;
    struct open_call *calls;
    size_t n_calls, cap_calls, first_open;
    unsigned made; /* ids made up */
    bool has_meta;
    struct error *err;
};

static bool no_room(struct reader *r)
{
    return error_set(r->err, ERR_INTERNAL, "out of room for contents");
}

static struct message *message_new(struct reader *r, enum chat_role role)
{
    struct message *m = message_add(r->a, &r->q->messages, &r->q->n_messages, &r->cap_messages);
    if (m) {
        m->role = role;
        r->cap_parts = 0;
    }
    return m;
}

static struct message *last_message(struct reader *r, enum chat_role role)
{
    struct message *last = r->q->n_messages ? &r->q->messages[r->q->n_messages - 1] : NULL;
    return last && last->role == role ? last : NULL;
}

static bool call_note(struct reader *r, const struct part *p)
{
    if (r->n_calls == r->cap_calls) {
        size_t cap = r->cap_calls ? 2 * r->cap_calls : 16;
        struct open_call *more = arena_alloc(r->a, cap * sizeof(*more));
        if (!more) {
            return no_room(r);
        }
        if (r->n_calls) {
            memcpy(more, r->calls, r->n_calls * sizeof(*more));
        }
        r->calls = more;
        r->cap_calls = cap;
    }
    r->calls[r->n_calls++] = (struct open_call){.id = p->id, .name = p->name};
    return true;
}

/* The call that a result answers: by id, else the first open one of that name. */
static struct open_call *call_find(struct reader *r, const struct part *p)
{
    while (r->first_open < r->n_calls && r->calls[r->first_open].answered) {
        r->first_open++;
    }
    size_t end = r->n_calls - r->first_open > GEMINI_CALLS_BACK ? r->first_open + GEMINI_CALLS_BACK
                                                                : r->n_calls;
    for (size_t i = r->first_open; p->id.ptr && i < end; i++) {
        if (!r->calls[i].answered && str_eq(r->calls[i].id, p->id)) {
            return &r->calls[i];
        }
    }
    for (size_t i = r->first_open; i < end; i++) {
        if (!r->calls[i].answered && str_eq(r->calls[i].name, p->name)) {
            return &r->calls[i];
        }
    }
    return NULL;
}

static bool result_place(struct reader *r, struct part *p)
{
    struct open_call *call = call_find(r, p);
    if (call) {
        call->answered = true;
        p->id = call->id;
        p->name = p->name.len ? p->name : call->name;
    } else if (!p->id.ptr) {
        p->id = gemini_call_id(r->a, STR_NONE, r->made++);
    }
    struct message *m = message_new(r, ROLE_TOOL);
    struct part *to = m ? part_add(r->a, &m->parts, &m->n_parts, &r->cap_parts) : NULL;
    if (!to || !p->id.ptr) {
        return no_room(r);
    }
    *to = *p;
    return true;
}

static bool part_place(struct reader *r, enum chat_role role, bool fresh, struct part *p)
{
    struct message *m = fresh ? NULL : last_message(r, role);
    if (!m) {
        m = message_new(r, role);
    }
    struct part *to = m ? part_add(r->a, &m->parts, &m->n_parts, &r->cap_parts) : NULL;
    if (!to) {
        return no_room(r);
    }
    if (p->type == PART_TOOL_CALL) {
        if (!p->id.ptr) {
            p->id = gemini_call_id(r->a, STR_NONE, r->made++);
        }
        if (!p->id.ptr || !call_note(r, p)) {
            return no_room(r);
        }
    }
    *to = *p;
    return true;
}

static bool part_take(struct reader *r, struct json_value v, enum chat_role role, bool *fresh,
                      const char *path)
{
    struct part p = {.type = PART_TEXT};
    struct str meta;
    if (!gemini_part_read(v, r->a, path, &p, &meta, r->err)) {
        return false;
    }
    if (meta.ptr && !r->has_meta) {
        r->has_meta = true;
        if (!extra_add(r->a, r->q, &r->cap_extras, STR_LIT("contents.parts.videoMetadata"), meta)) {
            return no_room(r);
        }
    }
    if (p.type == PART_TOOL_RESULT) {
        *fresh = true;
        return result_place(r, &p);
    }
    if (role != ROLE_ASSISTANT) {
        r->first_open = r->n_calls; /* calls before a turn of the user stay unanswered */
    }
    if (!part_place(r, role, *fresh, &p)) {
        return false;
    }
    *fresh = false;
    return true;
}

static bool role_read(struct reader *r, struct json_value content, const char *path,
                      enum chat_role *ret)
{
    static const struct {
        const char *word;
        enum chat_role role;
    } words[] = {{"user", ROLE_USER},          {"model", ROLE_ASSISTANT}, {"function", ROLE_USER},
                 {"tool", ROLE_USER},          {"system", ROLE_SYSTEM},   {"", ROLE_USER},
                 {"assistant", ROLE_ASSISTANT}};
    struct json_value v;
    *ret = ROLE_USER;
    if (!gemini_get(content, "role", &v)) {
        return true;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (json_text_eq(v, str_of(words[i].word))) {
            *ret = words[i].role;
            return true;
        }
    }
    char param[64];
    (void)snprintf(param, sizeof(param), "%s.role", path);
    return error_set_param(r->err, ERR_INVALID_FIELD, param, "%s must be user or model", param);
}

static bool content_read(struct reader *r, struct json_value v, const char *path)
{
    struct json_value parts, part;
    enum chat_role role = ROLE_USER;
    size_t pos = 0, i = 0;
    char at[64];
    if (v.type == JSON_STRING || (v.type == JSON_OBJECT && !gemini_get(v, "parts", &parts))) {
        struct json_value ignored;
        bool fresh = true;
        if (v.type == JSON_OBJECT && gemini_get(v, "role", &ignored)) {
            return role_read(r, v, path, &role); /* a turn without parts says nothing */
        }
        return part_take(r, v, ROLE_USER, &fresh, path);
    }
    if (v.type != JSON_OBJECT) {
        return error_set_param(r->err, ERR_INVALID_FIELD, path, "%s must be an object", path);
    }
    if (!role_read(r, v, path, &role)) {
        return false;
    }
    bool fresh = role != ROLE_ASSISTANT;
    if (parts.type != JSON_ARRAY) {
        (void)snprintf(at, sizeof(at), "%s.parts", path);
        return part_take(r, parts, role, &fresh, at);
    }
    while (json_next(parts, &pos, NULL, &part)) {
        (void)snprintf(at, sizeof(at), "%s.parts[%zu]", path, i++);
        if (!part_take(r, part, role, &fresh, at)) {
            return false;
        }
    }
    return true;
}

/* Texts without a word (Gemini's command line sends them) beside parts that say something. */
static void blanks_drop(struct message *m)
{
    size_t to = 0;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        bool last_hope = to == 0 && i + 1 == m->n_parts;
        if (p->type != PART_TEXT || p->text.len > 0 || p->signature.ptr || last_hope) {
            m->parts[to++] = *p;
        }
    }
    m->n_parts = to;
}

/* A run of pieces of one text (or thought), up to and with the first that is signed, becomes one.
 */
static bool run_join(struct arena *a, struct part *parts, size_t n)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        len += parts[i].text.len;
    }
    char *text = arena_alloc(a, len + 1);
    if (!text) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (parts[i].text.len) {
            memcpy(text + at, parts[i].text.ptr, parts[i].text.len);
            at += parts[i].text.len;
        }
    }
    parts[0].text = (struct str){text, len};
    parts[0].signature = parts[n - 1].signature;
    parts[0].signature_family = parts[n - 1].signature_family;
    return true;
}

static bool pieces_join(struct arena *a, struct message *m)
{
    size_t to = 0;
    for (size_t i = 0; i < m->n_parts;) {
        struct part *p = &m->parts[i];
        size_t n = 1;
        if (p->type == PART_TEXT || p->type == PART_THINKING) {
            while (i + n < m->n_parts && p[n].type == p->type && !p[n - 1].signature.ptr) {
                n++;
            }
        }
        if (n > 1 && !run_join(a, p, n)) {
            return false;
        }
        m->parts[to++] = *p;
        i += n;
    }
    m->n_parts = to;
    return true;
}

bool gemini_contents_read(struct json_value v, struct arena *a, struct chat_request *q,
                          struct error *err)
{
    struct reader r = {.a = a, .q = q, .err = err};
    size_t pos = 0, i = 0;
    struct json_value content;
    char path[64];
    if (v.type != JSON_ARRAY) {
        if (!content_read(&r, v, "contents")) {
            return false;
        }
    }
    while (v.type == JSON_ARRAY && json_next(v, &pos, NULL, &content)) {
        (void)snprintf(path, sizeof(path), "contents[%zu]", i++);
        if (!content_read(&r, content, path)) {
            return false;
        }
    }
    if (q->n_messages == 0) {
        return error_set_param(err, ERR_INVALID_FIELD, "contents", "contents must not be empty");
    }
    for (size_t k = 0; k < q->n_messages; k++) {
        blanks_drop(&q->messages[k]);
        if (q->messages[k].role == ROLE_ASSISTANT && !pieces_join(a, &q->messages[k])) {
            return no_room(&r);
        }
    }
    return true;
}

bool gemini_system_read(struct json_value v, struct arena *a, struct part **ret, size_t *ret_n,
                        struct error *err)
{
    struct json_value parts, part;
    struct str ignored;
    size_t pos = 0, i = 0, cap = 0;
    char path[64];
    if (v.type == JSON_ARRAY) {
        parts = v;
    } else if (v.type != JSON_OBJECT || !gemini_get(v, "parts", &parts)) {
        struct part *p = part_add(a, ret, ret_n, &cap);
        return p ? gemini_part_read(v, a, "systemInstruction", p, &ignored, err)
                 : error_set(err, ERR_INTERNAL, "out of room for parts");
    }
    if (parts.type != JSON_ARRAY) {
        struct part *p = part_add(a, ret, ret_n, &cap);
        return p ? gemini_part_read(parts, a, "systemInstruction.parts", p, &ignored, err)
                 : error_set(err, ERR_INTERNAL, "out of room for parts");
    }
    while (json_next(parts, &pos, NULL, &part)) {
        struct part *p = part_add(a, ret, ret_n, &cap);
        (void)snprintf(path, sizeof(path), "systemInstruction.parts[%zu]", i++);
        if (!p) {
            return error_set(err, ERR_INTERNAL, "out of room for parts");
        }
        if (!gemini_part_read(part, a, path, p, &ignored, err)) {
            return false;
        }
    }
    return true;
}
