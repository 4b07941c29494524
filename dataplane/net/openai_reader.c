/* A JSON body in pieces, for the few members that metering wants. The reader knows where it is
 * (depth, in a string or not) and, in the objects of interest (the top one, and each of `choices`),
 * whether a name or a value comes next. A wanted value is copied until it ends and then read as
 * JSON, strictly. */
#include "dataplane/net/openai_usage.h"

enum state {
    BEFORE = 0, /* nothing yet but blanks */
    NAME_WANTED,
    NAME,  /* inside a name of interest */
    COLON, /* behind one */
    VALUE, /* in a value of interest or not, and in all that is deeper */
    OVER,  /* behind the top object, or it was none */
};

enum field {
    FIELD_NONE = 0,
    FIELD_ID,
    FIELD_MODEL,
    FIELD_USAGE,
    FIELD_CHOICES,
    FIELD_FINISH_REASON,
    FIELD_SERVICE_TIER
};

/* How near to an object of the top member `choices` */
enum choices { CHOICES_OUTSIDE = 0, CHOICES_ARRAY, CHOICES_OBJECT };

void openai_reader_init(struct openai_reader *r, struct openai_usage *u)
{
    r->usage = u;
    r->depth = 0;
    r->state = BEFORE;
    r->field = FIELD_NONE;
    r->choices = CHOICES_OUTSIDE;
    r->in_string = r->escape = r->capture_full = false;
    r->name_len = r->capture_len = 0;
}

/* In an object whose names are read: the top one, and those in the array `choices`. */
static bool of_interest(const struct openai_reader *r)
{
    return r->depth == 1 || (r->depth == 3 && r->choices == CHOICES_OBJECT);
}

static enum field field_by_name(const struct openai_reader *r)
{
    struct json_value name;
    char quoted[sizeof(r->name) + 2];

    if (r->name_len > sizeof(r->name))
        return FIELD_NONE;
    quoted[0] = '"';
    memcpy(quoted + 1, r->name, r->name_len);
    quoted[r->name_len + 1] = '"';
    name = (struct json_value){
        JSON_STRING, memchr(r->name, '\\', r->name_len) != NULL, {quoted, r->name_len + 2}};
    if (r->depth == 3)
        return json_text_eq(name, STR_LIT("finish_reason")) ? FIELD_FINISH_REASON : FIELD_NONE;
    if (json_text_eq(name, STR_LIT("usage")))
        return FIELD_USAGE;
    if (json_text_eq(name, STR_LIT("choices")))
        return FIELD_CHOICES;
    if (json_text_eq(name, STR_LIT("model")))
        return FIELD_MODEL;
    if (json_text_eq(name, STR_LIT("service_tier")))
        return FIELD_SERVICE_TIER;
    return json_text_eq(name, STR_LIT("id")) ? FIELD_ID : FIELD_NONE;
}

static bool captures(const struct openai_reader *r)
{
    return r->field != FIELD_NONE && r->field != FIELD_CHOICES;
}

static void capture_add(struct openai_reader *r, const char *p, size_t n)
{
    if (n > sizeof(r->capture) - r->capture_len) {
        r->capture_full = true;
        return;
    }
    memcpy(r->capture + r->capture_len, p, n);
    r->capture_len += (unsigned)n;
}

static void name_add(struct openai_reader *r, const char *p, size_t n)
{
    /* one past the size: too long to be of interest */
    if (n > sizeof(r->name) - r->name_len || r->name_len > sizeof(r->name)) {
        r->name_len = sizeof(r->name) + 1;
        return;
    }
    memcpy(r->name + r->name_len, p, n);
    r->name_len += (unsigned)n;
}

/* The value of a wanted member is whole. */
static void value_take(struct openai_reader *r)
{
    struct openai_usage *u = r->usage;
    struct json_value v;

    if (captures(r) && !r->capture_full &&
        json_validate((struct str){r->capture, r->capture_len}, 0, &v, NULL)) {
        if (r->field == FIELD_USAGE)
            (void)openai_usage_object(v, u);
        else if (r->field == FIELD_MODEL)
            openai_text_copy(v, u->model, &u->model_len);
        else if (r->field == FIELD_ID)
            openai_text_copy(v, u->id, &u->id_len);
        else if (r->field == FIELD_SERVICE_TIER)
            openai_text_copy(v, u->service_tier, &u->service_tier_len);
        else if (r->field == FIELD_FINISH_REASON && u->finish_reason_len == 0)
            openai_text_copy(v, u->finish_reason, &u->finish_reason_len);
    }
    r->field = FIELD_NONE;
    r->capture_len = 0;
    r->capture_full = false;
}

/* p in a string; returns the byte behind its part in this piece. */
static const char *string_pass(struct openai_reader *r, const char *p, const char *end)
{
    const char *quote = NULL;

    while (p < end) {
        const char *slash;

        if (r->escape) {
            r->escape = false;
            p++;
            continue;
        }
        /* searched again only when it was passed, so that many escapes do not make it a square */
        if (quote == NULL || quote < p) {
            quote = memchr(p, '"', (size_t)(end - p));
            if (quote == NULL)
                quote = end;
        }
        slash = memchr(p, '\\', (size_t)(quote - p));
        if (slash != NULL) {
            r->escape = true;
            p = slash + 1;
            continue;
        }
        if (quote == end)
            return end;
        r->in_string = false;
        return quote + 1;
    }
    return p;
}

/* One byte outside of strings. */
static void structure_take(struct openai_reader *r, char c)
{
    bool interest = of_interest(r);

    switch (c) {
    case '{':
    case '[':
        r->depth++;
        if (r->depth == 2)
            r->choices = c == '[' && r->field == FIELD_CHOICES ? CHOICES_ARRAY : CHOICES_OUTSIDE;
        else if (r->depth == 3 && r->choices != CHOICES_OUTSIDE)
            r->choices = c == '{' ? CHOICES_OBJECT : CHOICES_ARRAY;
        r->state = c == '{' && of_interest(r) ? NAME_WANTED : VALUE;
        break;
    case '}':
    case ']':
        if (interest)
            value_take(r);
        r->depth--;
        r->state = r->depth == 0 ? OVER : VALUE;
        break;
    case ',':
        if (interest) {
            value_take(r);
            r->state = NAME_WANTED;
        }
        break;
    case ':':
        if (r->state == COLON) {
            r->field = (unsigned char)field_by_name(r);
            r->state = VALUE;
        }
        break;
    case '"':
        r->in_string = true;
        if (r->state == NAME_WANTED) {
            r->state = NAME;
            r->name_len = 0;
        }
        break;
    default:
        break;
    }
}

/* Where the next byte stands that structure_take must see, outside of strings. */
static const char *structure_find(const char *p, const char *end)
{
    while (p < end && *p != '"' && *p != ',' && *p != ':' && (*p | 0x20) != '{' &&
           (*p | 0x20) != '}')
        p++;
    return p;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void openai_reader_feed(struct openai_reader *r, struct str piece)
{
    const char *p = piece.ptr, *end;

    if (piece.len == 0)
        return;
    end = p + piece.len;
    while (r->state == BEFORE && p < end) {
        if (*p == '{') {
            r->depth = 1;
            r->state = NAME_WANTED;
        } else if (!is_blank(*p)) {
            r->state = OVER;
        }
        p++;
    }
    while (p < end && r->state != OVER) {
        const char *from = p;
        bool copying = captures(r);

        if (r->in_string) {
            p = string_pass(r, p, end);
            if (r->state == NAME) {
                name_add(r, from, (size_t)(p - from) - (r->in_string ? 0 : 1));
                if (!r->in_string)
                    r->state = COLON;
            }
        } else {
            p = structure_find(p, end);
            if (p < end) {
                /* a comma or bracket that ends the value is no part of it */
                if (copying && of_interest(r) && (*p == ',' || *p == '}' || *p == ']')) {
                    capture_add(r, from, (size_t)(p - from));
                    copying = false;
                }
                structure_take(r, *p);
                p++;
            }
        }
        if (copying)
            capture_add(r, from, (size_t)(p - from));
    }
}

/* `…"finish_reason":"stop"}]` at the end of the choices, and that name nowhere else in them,
 * however it is spelled: then it is the only one, and nothing needs to be walked. */
static bool finish_reason_at_end(struct str choices, struct openai_usage *u)
{
    static const struct str name = STR_LIT("\"finish_reason\"");
    const char *stop = choices.ptr + choices.len, *end = stop - 3, *at, *p;
    if (choices.len < name.len + 5 || memcmp(end, "\"}]", 3) != 0) {
        return false;
    }
    at = memrchr(choices.ptr, '"', (size_t)(end - choices.ptr));
    if (at == NULL || (size_t)(at - choices.ptr) < name.len + 1 || at[-1] != ':' ||
        memchr(at, '\\', (size_t)(end - at)) != NULL ||
        memmem(choices.ptr, choices.len, name.ptr, name.len) != at - 1 - name.len) {
        return false;
    }
    for (p = choices.ptr; (p = memchr(p, '\\', (size_t)(stop - p))) != NULL; p += 2) {
        if (p[1] == 'u') {
            return false; /* a name may hide behind it */
        }
    }
    openai_text_copy((struct json_value){JSON_STRING, false, {at, (size_t)(end + 1 - at)}},
                     u->finish_reason, &u->finish_reason_len);
    return true;
}

/* The first choice that says why it stopped. False: a name stands twice somewhere. */
static bool finish_reason_of(struct json_value choices, struct openai_usage *u)
{
    struct json_value choice;
    if (finish_reason_at_end(choices.raw, u)) {
        return true;
    }
    for (size_t at = 0; u->finish_reason_len == 0 && json_next(choices, &at, NULL, &choice);) {
        struct json_member m = {.name = STR_LIT("finish_reason")};
        if (choice.type != JSON_OBJECT) {
            continue;
        }
        if (!json_members(choice, &m, 1, NULL)) {
            return false;
        }
        if (m.found) {
            openai_text_copy(m.value, u->finish_reason, &u->finish_reason_len);
        }
    }
    return true;
}

/* A whole body goes through the vector scanner; false when a name is doubled or it is no JSON
 * object. */
static bool scan_body(struct str body, struct openai_usage *u)
{
    struct json_member m[] = {{.name = STR_LIT("usage")},
                              {.name = STR_LIT("model")},
                              {.name = STR_LIT("id")},
                              {.name = STR_LIT("choices")},
                              {.name = STR_LIT("service_tier")}};
    if (!json_scan(body, m, sizeof(m) / sizeof(m[0]), 0, NULL)) {
        return false;
    }
    if (m[3].found && m[3].value.type == JSON_ARRAY && !finish_reason_of(m[3].value, u)) {
        return false;
    }
    if (m[0].found && m[0].value.raw.len <= OPENAI_USAGE_MAX_BYTES) {
        (void)openai_usage_object(m[0].value, u);
    }
    if (m[1].found) {
        openai_text_copy(m[1].value, u->model, &u->model_len);
    }
    if (m[2].found) {
        openai_text_copy(m[2].value, u->id, &u->id_len);
    }
    if (m[4].found) {
        openai_text_copy(m[4].value, u->service_tier, &u->service_tier_len);
    }
    return true;
}

bool openai_usage_body(struct str body, struct openai_usage *u)
{
    struct openai_usage fresh = {0};
    struct openai_reader r;

    if (scan_body(body, &fresh)) {
        *u = fresh;
        return u->found;
    }
    openai_reader_init(&r, u);
    openai_reader_feed(&r, body);
    return u->found;
}
