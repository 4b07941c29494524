/* GET /v1/models and /v1/models/{id}: the aliases that the caller may use, as the SDK that asks
 * lists models (parse set the dialect). A part of route, which knows what names mean. */
#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/json.h"
#include "common/rules/model_name.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"

#define LIST_MAX (16u << 20)

struct listing {
    struct request *r;
    struct json_writer w;
    struct str first, last;
};

/* Ids made by the control plane tell when; those of weir.yaml are hashes and do not. */
static uint64_t created_s(const struct uuid *id)
{
    return id->b[6] >> 4 == 7 ? uuid_time_ms(id) / 1000 : 0;
}

static void put_openai(struct json_writer *w, struct str name, uint64_t created, struct str owner)
{
    json_object_begin(w);
    json_field_str(w, "id", name);
    json_field_z(w, "object", "model");
    json_field_u64(w, "created", created);
    json_field_str(w, "owned_by", owner);
    json_object_end(w);
}

static void put_anthropic(struct json_writer *w, struct str name, uint64_t created)
{
    char time[32];
    clock_format_rfc3339(created * 1000, time);
    json_object_begin(w);
    json_field_z(w, "type", "model");
    json_field_str(w, "id", name);
    json_field_str(w, "display_name", name);
    json_field_z(w, "created_at", time);
    json_object_end(w);
}

static void put_gemini(struct request *r, struct json_writer *w, struct str name)
{
    static const char *const methods[] = {"generateContent", "streamGenerateContent", "countTokens",
                                          "embedContent", "batchEmbedContents"};
    json_object_begin(w);
    json_field_str(w, "name", arena_printf(r->arena, "models/%.*s", STR_ARG(name)));
    json_field_str(w, "baseModelId", name);
    json_field_z(w, "version", "1");
    json_field_str(w, "displayName", name);
    json_name(w, "supportedGenerationMethods");
    json_array_begin(w);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        json_put_z(w, methods[i]);
    }
    json_array_end(w);
    json_object_end(w);
}

static void put_model(struct request *r, struct json_writer *w, struct str name, uint64_t created,
                      struct str owner)
{
    if (r->dialect == &dialect_gemini) {
        put_gemini(r, w, name);
    } else if (r->dialect == &dialect_messages) {
        put_anthropic(w, name, created);
    } else {
        put_openai(w, name, created, owner);
    }
}

static struct str owner_of(const struct request *r, const struct snap_model *m)
{
    const struct snap_provider *p =
        m->n_targets ? snapshot_provider(r->snapshot, &m->targets[0].provider_id) : NULL;
    return p ? p->name : STR_LIT("weir");
}

static bool allowed(const struct snap_key *k, struct str name)
{
    for (uint16_t i = 0; i < k->n_models; i++) {
        if (model_name_matches(k->models[i], name)) {
            return true;
        }
    }
    return false;
}

static bool on_model(void *arg, const struct snap_model *m)
{
    struct listing *l = arg;
    /* a star is no model that could be asked for */
    if (allowed(l->r->key, m->name) && !memchr(m->name.ptr, '*', m->name.len)) {
        put_model(l->r, &l->w, m->name, created_s(&m->id), owner_of(l->r, m));
        l->first = l->first.ptr ? l->first : m->name;
        l->last = m->name;
    }
    return !l->w.out->failed;
}

static void put_list(struct request *r, struct buffer *out)
{
    struct listing l = {.r = r};
    json_writer_init(&l.w, out);
    bool anthropic = r->dialect == &dialect_messages, gemini = r->dialect == &dialect_gemini;
    json_object_begin(&l.w);
    if (!anthropic && !gemini) {
        json_field_z(&l.w, "object", "list");
    }
    json_name(&l.w, gemini ? "models" : "data");
    json_array_begin(&l.w);
    snapshot_each_model(r->snapshot, &r->key->organization_id, &r->key->workspace_id, on_model, &l);
    json_array_end(&l.w);
    if (anthropic) {
        json_field_bool(&l.w, "has_more", false);
        json_field_str(&l.w, "first_id", l.first);
        json_field_str(&l.w, "last_id", l.last);
    }
    json_object_end(&l.w);
}

static bool put_one(struct request *r, struct buffer *out)
{
    const struct snap_key *k = r->key;
    struct json_writer w;
    struct route_found f;
    const struct snap_provider *p = NULL;
    if (!route_find(r, r->model_id, false, &f)) {
        /* what the key may not use is not shown to exist */
        if (r->error.code == ERR_MODEL_NOT_ALLOWED) {
            (void)error_set_param(&r->error, ERR_MODEL_NOT_FOUND, "model",
                                  "the model '%.*s' does not exist or is not visible to this key",
                                  STR_ARG(str_slice(r->model_id, 0, 120)));
        }
        return false;
    }
    const struct snap_model *m =
        snapshot_model(r->snapshot, &k->organization_id, &k->workspace_id, r->model_id);
    p = f.provider;
    if (f.alias && f.alias->n_targets) {
        p = snapshot_provider(r->snapshot, &f.alias->targets[0].provider_id);
    }
    json_writer_init(&w, out);
    put_model(r, &w, r->model_id, m ? created_s(&m->id) : 0, p ? p->name : STR_LIT("weir"));
    return true;
}

enum verdict route_list_models(struct request *r)
{
    struct buffer out;
    enum verdict v = VERDICT_ANSWERED;
    r->model = r->model_id;
    buffer_init(&out, LIST_MAX);
    if (r->model_id.ptr) {
        if (!put_one(r, &out)) {
            v = VERDICT_REJECT;
        }
    } else {
        put_list(r, &out);
    }
    if (v == VERDICT_ANSWERED) {
        struct str body = arena_str(r->arena, buffer_str(&out));
        if (out.failed || !body.ptr) {
            (void)error_set(&r->error, ERR_INTERNAL, "out of room for the list of models");
            v = VERDICT_REJECT;
        }
        r->reply.status = 200;
        r->reply.body = body;
    }
    buffer_release(&out);
    return v;
}
