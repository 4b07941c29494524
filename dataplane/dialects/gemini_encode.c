/* Messages written as systemInstruction and contents for Gemini or Vertex; see gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

#include <stdio.h>

enum turn { TURN_NONE, TURN_USER, TURN_MODEL, TURN_TOOL };

struct turns {
    struct gemini_out *o;
    enum turn open;
    size_t contents;
    const struct part **calls; /* every tool call so far */
    size_t n_calls;
    bool skip_signature; /* this model wants one on the first call of every step */
    bool call_seen;      /* in the turn at hand */
};

void gemini_lose(struct gemini_out *o, enum chat_field field)
{
    if (o->x->losses) {
        losses_add(o->x->losses, o->q->family, field);
    }
}

/* ---- pieces ---- */

static void turn_end(struct turns *t)
{
    if (t->open != TURN_NONE) {
        json_array_end(&t->o->w);
        json_object_end(&t->o->w);
    }
    t->open = TURN_NONE;
}

static void turn_begin(struct turns *t, enum turn turn)
{
    struct json_writer *w = &t->o->w;
    if (t->open == turn) {
        return;
    }
    turn_end(t);
    json_object_begin(w);
    json_field_z(w, "role", turn == TURN_MODEL ? "model" : "user");
    json_name(w, "parts");
    json_array_begin(w);
    t->open = turn;
    t->contents++;
    t->call_seen = false;
}

static struct str default_type(const struct part *p)
{
    const struct media *m = &p->media;
    struct str type = m->media_type;
    if (!type.ptr && m->format.ptr) {
        type = media_type_of_format(m->format);
    }
    if (!type.ptr && m->name.ptr) {
        type = media_type_of_name(m->name);
    }
    if (!type.ptr && m->url.ptr) {
        return media_type_of_name(m->url);
    }
    if (type.ptr) {
        return type;
    }
    return p->type == PART_IMAGE   ? STR_LIT("image/jpeg")
           : p->type == PART_AUDIO ? STR_LIT("audio/wav")
           : p->type == PART_VIDEO ? STR_LIT("video/mp4")
                                   : STR_LIT("application/pdf");
}

static void put_inline(struct json_writer *w, struct str type, struct str data)
{
    json_name(w, "inlineData");
    json_object_begin(w);
    json_field_str(w, "mimeType", type);
    json_field_str(w, "data", data);
    json_object_end(w);
}

static void put_file(struct json_writer *w, struct str type, struct str uri)
{
    json_name(w, "fileData");
    json_object_begin(w);
    if (type.len > 0) {
        json_field_str(w, "mimeType", type);
    }
    json_field_str(w, "fileUri", uri);
    json_object_end(w);
}

static enum chat_field media_field(enum part_type type)
{
    return type == PART_IMAGE   ? FIELD_IMAGE
           : type == PART_AUDIO ? FIELD_AUDIO
           : type == PART_VIDEO ? FIELD_VIDEO
                                : FIELD_DOCUMENT;
}

/* Google knows its own files only. */
static bool media_expressible(const struct gemini_out *o, const struct media *m)
{
    return m->data.ptr || m->text.ptr || m->url.ptr || (m->file_id.ptr && o->own);
}

/* The members of a part of media; the caller has begun the object. */
static void put_media(struct gemini_out *o, const struct part *p)
{
    const struct media *m = &p->media;
    if (m->data.ptr) {
        put_inline(&o->w, default_type(p), m->data);
    } else if (m->text.ptr) {
        struct str data = base64_text(o->a, m->text);
        put_inline(&o->w, STR_LIT("text/plain"), data.ptr ? data : STR_LIT(""));
    } else {
        put_file(&o->w, default_type(p), m->url.ptr ? m->url : m->file_id);
    }
}

static void media_losses(struct gemini_out *o, const struct part *p)
{
    if (p->media.citations) {
        gemini_lose(o, FIELD_CITATIONS);
    }
    if (o->x->losses && (str_eqz(p->media.detail, "low") || str_eqz(p->media.detail, "high"))) {
        losses_add_name(o->x->losses, STR_LIT("image_url.detail"));
    }
    if (o->x->losses && p->media.context.len > 0) {
        losses_add_name(o->x->losses, STR_LIT("document.context"));
    }
}

/* ---- tools' traffic ---- */

static struct str name_of_call(const struct turns *t, const struct part *result)
{
    size_t back = t->n_calls > GEMINI_CALLS_BACK ? t->n_calls - GEMINI_CALLS_BACK : 0;
    for (size_t i = t->n_calls; result->id.ptr && i > back; i--) {
        if (str_eq(t->calls[i - 1]->id, result->id)) {
            return t->calls[i - 1]->name;
        }
    }
    return result->name.len ? result->name : result->id.len ? result->id : STR_LIT("function");
}

static void put_response(struct gemini_out *o, const struct part *p)
{
    struct json_value v;
    struct str text = parts_text(o->a, p->parts, p->n_parts, STR_LIT(""), NULL);
    json_name(&o->w, "response");
    if (!p->is_error && read_json(text, &v) && v.type == JSON_OBJECT) {
        json_put_raw(&o->w, v.raw);
        return;
    }
    json_object_begin(&o->w);
    json_field_str(&o->w, p->is_error ? "error" : "result", text);
    json_object_end(&o->w);
}

/* Images in a result: inside it for the models that read them there, else beside it. */
static void put_result_media(struct gemini_out *o, const struct part *p, bool inside)
{
    bool begun = false;
    for (size_t i = 0; i < p->n_parts; i++) {
        const struct part *m = &p->parts[i];
        if (m->type == PART_NATIVE && !(o->own && m->family == FAMILY_GEMINI)) {
            if (inside) {
                gemini_lose(o, FIELD_CONTENT);
            }
            continue;
        }
        if (m->type < PART_IMAGE || m->type > PART_DOCUMENT ||
            (inside != (m->media.data.ptr && gemini_generation(o->x->model) >= 3))) {
            continue;
        }
        if (!media_expressible(o, &m->media)) {
            gemini_lose(o, media_field(m->type));
            continue;
        }
        if (inside && !begun) {
            json_name(&o->w, "parts");
            json_array_begin(&o->w);
            begun = true;
        }
        json_object_begin(&o->w);
        put_media(o, m);
        json_object_end(&o->w);
    }
    if (begun) {
        json_array_end(&o->w);
    }
}

static void put_result(struct turns *t, const struct part *p)
{
    struct json_writer *w = &t->o->w;
    turn_begin(t, TURN_TOOL);
    json_object_begin(w);
    json_name(w, "functionResponse");
    json_object_begin(w);
    if (p->id.len > 0) {
        json_field_str(w, "id", p->id);
    }
    json_field_str(w, "name", gemini_tool_name(t->o->a, t->o->q, name_of_call(t, p)));
    put_response(t->o, p);
    put_result_media(t->o, p, true);
    json_object_end(w);
    json_object_end(w);
    put_result_media(t->o, p, false);
}

/* ---- parts ---- */

static void put_text(struct turns *t, enum turn turn, const struct part *p)
{
    struct json_writer *w = &t->o->w;
    turn_begin(t, turn);
    json_object_begin(w);
    json_field_str(w, "text", p->text.ptr ? p->text : STR_LIT(""));
    if (p->type == PART_THINKING) {
        json_field_bool(w, "thought", true);
    }
    if (p->signature.ptr && p->signature_family == FAMILY_GEMINI) {
        json_field_str(w, "thoughtSignature", p->signature);
    }
    json_object_end(w);
}

static void put_model_call(struct turns *t, const struct part *p)
{
    struct str signature = STR_NONE;
    turn_begin(t, TURN_MODEL);
    if (p->signature.ptr && p->signature_family == FAMILY_GEMINI) {
        signature = p->signature;
    } else if (t->skip_signature && !t->call_seen) {
        signature = STR_LIT(GEMINI_SKIP_SIGNATURE);
    }
    t->call_seen = true;
    gemini_put_call(&t->o->w, p->id, gemini_tool_name(t->o->a, t->o->q, p->name), p->arguments,
                    signature);
}

static bool part_fits(const struct gemini_out *o, const struct part *p)
{
    switch (p->type) {
    case PART_IMAGE:
    case PART_AUDIO:
    case PART_VIDEO:
    case PART_DOCUMENT:
        return media_expressible(o, &p->media);
    case PART_THINKING:
        return p->signature_family == FAMILY_GEMINI || (o->own && !p->signature.ptr);
    case PART_REDACTED_THINKING:
        return false;
    case PART_NATIVE:
        return o->own && p->family == FAMILY_GEMINI;
    default:
        return true;
    }
}

static void part_lost(struct gemini_out *o, const struct part *p)
{
    switch (p->type) {
    case PART_THINKING:
        if (p->signature.ptr) {
            gemini_lose(o, FIELD_THINKING);
        }
        break;
    case PART_REDACTED_THINKING:
        gemini_lose(o, FIELD_THINKING);
        break;
    case PART_NATIVE:
        gemini_lose(o, FIELD_CONTENT);
        break;
    default:
        gemini_lose(o, media_field(p->type));
        break;
    }
}

static void put_part(struct turns *t, enum turn turn, const struct part *p)
{
    switch (p->type) {
    case PART_TEXT:
    case PART_REFUSAL:
    case PART_THINKING:
        put_text(t, turn, p);
        break;
    case PART_TOOL_CALL:
        put_model_call(t, p);
        t->calls[t->n_calls++] = p;
        break;
    case PART_TOOL_RESULT:
        put_result(t, p);
        break;
    case PART_NATIVE:
        turn_begin(t, turn);
        json_put_raw(&t->o->w, p->raw);
        break;
    default:
        turn_begin(t, turn);
        json_object_begin(&t->o->w);
        put_media(t->o, p);
        json_object_end(&t->o->w);
        media_losses(t->o, p);
        break;
    }
}

static bool nothing_left(struct gemini_out *o, size_t message, size_t part)
{
    char param[64];
    const char *list = o->own ? "contents" : "messages", *inside = o->own ? "parts" : "content";
    (void)snprintf(param, sizeof(param), "%s[%zu].%s[%zu]", list, message, inside, part);
    return error_set_param(o->err, ERR_INVALID_FIELD, param,
                           "%s cannot be carried to this model, and nothing else is in its message",
                           param);
}

/* False with err when all that the user said is something that Gemini cannot be given. */
static bool put_message(struct turns *t, size_t index)
{
    const struct message *m = &t->o->q->messages[index];
    enum turn turn = m->role == ROLE_ASSISTANT ? TURN_MODEL
                     : m->role == ROLE_TOOL    ? TURN_TOOL
                                               : TURN_USER;
    size_t put = 0, lost = m->n_parts;
    if (m->name.len > 0) {
        gemini_lose(t->o, FIELD_NAME);
    }
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        bool empty = (p->type == PART_TEXT || p->type == PART_REFUSAL) && p->text.len == 0 &&
                     !p->signature.ptr;
        if (p->cache != CACHE_NONE) {
            gemini_lose(t->o, FIELD_CACHE_CONTROL);
        }
        if (!part_fits(t->o, p)) {
            part_lost(t->o, p);
            lost = i;
        } else if (!empty || (turn == TURN_USER && m->n_parts == 1)) {
            put_part(t, turn, p);
            put++;
        }
    }
    return put > 0 || turn != TURN_USER || lost == m->n_parts || nothing_left(t->o, index, lost);
}

static bool is_system(const struct message *m)
{
    return m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER;
}

static void put_system(struct gemini_out *o)
{
    const struct chat_request *q = o->q;
    bool begun = false;
    for (size_t i = 0; i < q->n_messages; i++) {
        const struct message *m = &q->messages[i];
        for (size_t k = 0; is_system(m) && k < m->n_parts; k++) {
            const struct part *p = &m->parts[k];
            if (p->cache != CACHE_NONE) {
                gemini_lose(o, FIELD_CACHE_CONTROL);
            }
            if (p->type != PART_TEXT) {
                part_lost(o, p);
                continue;
            }
            if (p->text.len == 0) {
                continue;
            }
            if (!begun) {
                json_name(&o->w, "systemInstruction");
                json_object_begin(&o->w);
                json_name(&o->w, "parts");
                json_array_begin(&o->w);
                begun = true;
            }
            json_object_begin(&o->w);
            json_field_str(&o->w, "text", p->text);
            json_object_end(&o->w);
        }
    }
    if (begun) {
        json_array_end(&o->w);
        json_object_end(&o->w);
    }
}

bool gemini_put_contents(struct gemini_out *o)
{
    const struct chat_request *q = o->q;
    struct turns t = {.o = o, .skip_signature = gemini_may_sign(o->x->model)};
    size_t calls = 0, said = 0;
    for (size_t i = 0; i < q->n_messages; i++) {
        said += is_system(&q->messages[i]) ? 0 : 1;
        calls += q->messages[i].n_parts;
    }
    t.calls = arena_alloc(o->a, (calls + 1) * sizeof(struct part *));
    if (!t.calls) {
        return error_set(o->err, ERR_INTERNAL, "out of room for contents");
    }
    if (said > 0) {
        put_system(o);
    }
    json_name(&o->w, "contents");
    json_array_begin(&o->w);
    for (size_t i = 0; i < q->n_messages; i++) {
        /* Gemini wants contents: instructions alone are said by the user */
        if ((said == 0 || !is_system(&q->messages[i])) && !put_message(&t, i)) {
            return false;
        }
    }
    turn_end(&t);
    json_array_end(&o->w);
    if (t.contents == 0) {
        return error_set_param(o->err, ERR_INVALID_FIELD, o->own ? "contents" : "messages",
                               "messages hold nothing that this model can be given");
    }
    return true;
}
