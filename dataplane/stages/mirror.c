/* See mirror.h. */
#include "dataplane/stages/mirror.h"

#include "common/log.h"
#include "dataplane/snapshot/swap.h"
#include "dataplane/stages/routing.h"

#define MIRRORS_MAX 8
#define MIRROR_BYTES_MAX ((size_t)64 << 20) /* a worker's, all at once */
#define MIRROR_OVERHEAD ((size_t)16 << 10)  /* of one copy, besides its body */

/* The head without the client's connection: the copy outlives it. */
static bool copy_head(const struct request *from, struct request *to)
{
    struct request_head *h = arena_zalloc(to->arena, sizeof(*h));
    const struct request_head *f = from->head;
    struct header *list = arena_alloc(to->arena, (f->n_headers + 1) * sizeof(*list));
    if (!h || !list) {
        return false;
    }
    h->method = arena_str(to->arena, f->method);
    h->target = arena_str(to->arena, f->target);
    h->path = arena_str(to->arena, f->path);
    h->query = f->query.ptr ? arena_str(to->arena, f->query) : STR_NONE;
    h->headers = list;
    for (size_t i = 0; i < f->n_headers; i++) {
        list[i].name = arena_str(to->arena, f->headers[i].name);
        list[i].value = arena_str(to->arena, f->headers[i].value);
    }
    h->n_headers = f->n_headers;
    to->head = h;
    return h->method.ptr && h->target.ptr && h->path.ptr &&
           (!f->n_headers || list[f->n_headers - 1].value.ptr);
}

static struct str copy_text(struct request *to, struct str s)
{
    return s.ptr ? arena_str(to->arena, s) : STR_NONE;
}

static struct str *copy_texts(struct request *to, const struct str *list, size_t n)
{
    struct str *copy = arena_alloc(to->arena, (n + 1) * sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = arena_str(to->arena, list[i]);
        if (!copy[i].ptr) {
            return NULL;
        }
    }
    return copy;
}

/* Of the settings, which live in the config, what still matters: the body is changed already. NULL:
 * out of room. */
static const struct route_settings *copy_settings(struct request *to,
                                                  const struct route_settings *from)
{
    struct route_settings *s = arena_zalloc(to->arena, sizeof(*s));
    size_t n = from->breaker.statuses.n;
    uint16_t *statuses = arena_alloc(to->arena, (n + 1) * sizeof(*statuses));
    if (!s || !statuses) {
        return NULL;
    }
    if (n) {
        memcpy(statuses, from->breaker.statuses.list, n * sizeof(*statuses));
    }
    s->breaker = from->breaker;
    s->breaker.statuses.list = statuses;
    s->request_timeout_ms = from->request_timeout_ms;
    s->n_forward_headers = from->n_forward_headers;
    s->forward_headers = copy_texts(to, from->forward_headers, from->n_forward_headers);
    s->strict_openai = from->strict_openai;
    return s->forward_headers ? s : NULL;
}

/* The root's own, with whom a token stood for. Whoever is called by weir.yaml's `auth: none` lives
 * longer than all. */
static const struct snap_key *copy_key(const struct request *from, struct request *to)
{
    const struct snap_key *k = from->key;
    if (k == from->env->policy->anonymous) {
        return k;
    }
    const struct snap_key *found = snapshot_key_by_id(to->snapshot, &k->id, to->arena);
    struct snap_key *copy = found ? arena_alloc(to->arena, sizeof(*copy)) : NULL;
    if (copy) {
        *copy = *found;
        copy->user_id = k->user_id;
        copy->team_id = k->team_id;
        copy->service_account_id = k->service_account_id;
        copy->metadata_json = copy_text(to, k->metadata_json);
    }
    return copy;
}

static bool copy_request(const struct request *from, struct request *to, const struct candidate *c)
{
    to->body = to->client_body = arena_str(to->arena, from->body);
    to->dialect = from->dialect;
    to->key = copy_key(from, to);
    to->kind = from->kind;
    to->face_api = from->face_api;
    to->client_framing = from->client_framing;
    to->path_model = copy_text(to, from->path_model);
    to->provider_hint = copy_text(to, from->provider_hint);
    to->client_credential = copy_text(to, from->client_credential);
    to->key_parameter = copy_text(to, from->key_parameter);
    to->model = copy_text(to, from->model);
    to->stream = from->stream;
    to->strict = from->strict;
    to->mirror_of = from->id;
    to->metadata_json = copy_text(to, from->metadata_json);
    to->end_user = copy_text(to, from->end_user);
    to->tags = from->n_tags ? copy_texts(to, from->tags, from->n_tags) : NULL;
    to->n_tags = to->tags ? from->n_tags : 0;
    to->candidates = arena_zalloc(to->arena, sizeof(*to->candidates));
    if (!to->key || !to->body.ptr || !to->candidates || !copy_head(from, to)) {
        return false;
    }
    to->candidates[0] = *c;
    to->candidates[0].leaf = NULL;
    if (c->settings && !(to->candidates[0].settings = copy_settings(to, c->settings))) {
        return false;
    }
    to->candidates[0].option = copy_text(to, c->option);
    to->candidates[0].credential = copy_text(to, c->credential);
    to->candidates[0].model = copy_text(to, c->model);
    to->candidates[0].kind = "mirror";
    to->candidates[0].probe = false;
    to->n_candidates = 1;
    return read_again(to);
}

/* The copy is on the same root, which holds the provider. */
static void take_root(const struct request *from, struct request *to)
{
    if (to->hold) {
        swap_release(to->env->reader, to->hold);
    }
    to->hold = from->hold ? swap_share(from->hold) : NULL;
    to->snapshot = from->snapshot;
}

/* Copies have no client whose going would end them: what they may hold at once is bounded, for each
 * worker; past that none are made. */
struct held {
    struct request_env *env;
    size_t bytes;
};

static void give_back(void *arg)
{
    struct held *h = arg;
    h->env->mirror_bytes -= h->bytes;
}

static bool has_room(const struct request *r)
{
    return r->env->mirror_bytes + r->client_body.len + MIRROR_OVERHEAD <= MIRROR_BYTES_MAX;
}

static bool hold_room(const struct request *r, struct request *m)
{
    struct held *h = arena_alloc(m->arena, sizeof(*h));
    if (!h) {
        return false;
    }
    *h = (struct held){r->env, r->client_body.len + MIRROR_OVERHEAD};
    if (!arena_on_release(m->arena, give_back, h)) {
        return false;
    }
    r->env->mirror_bytes += h->bytes;
    return true;
}

static void send_one(struct request *r, const struct walk_place *place)
{
    struct routing_target *t = routing_target_of(r->routing, place->leaf);
    struct candidate c;
    struct str body = r->body;
    struct openai_chat chat = r->chat;
    struct error error = r->error;
    if (!t || !t->possible ||
        snapshot_provider(r->snapshot, &t->candidate.provider->id) != t->candidate.provider) {
        return; /* one that stands in the config alone ends with this request */
    }
    if (!has_room(r)) {
        log_write(LOG_WARN, "mirror_skipped", "too many copies of requests are under way",
                  LOG_Z("request", r->id_text), LOG_S("provider", t->candidate.provider->name));
        return;
    }
    c = t->candidate;
    c.settings = place->settings;
    c.option = place->option;
    struct request *m = request_new_detached(r->env);
    take_root(r, m);
    bool made = hold_room(r, m) && override_apply(r, &c) && copy_request(r, m, &c);
    r->body = body;
    r->chat = chat;
    r->error = error;
    if (!made) {
        log_write(LOG_WARN, "mirror_failed", "the request could not be copied",
                  LOG_Z("request", r->id_text));
        request_set_state(m, REQUEST_RUNNING);
        request_drop(m);
        return;
    }
    request_run_from_reserve(m);
}

void mirror_send(struct request *r)
{
    struct walk_step *step = r->routing ? &r->routing->step : NULL;
    if (!step || r->n_attempts != 1 || !uuid_is_nil(&r->mirror_of)) {
        return;
    }
    for (size_t i = 0; i < step->n_mirrors && i < MIRRORS_MAX; i++) {
        send_one(r, &step->mirror_places[i]);
    }
    step->n_mirrors = 0; /* a series' further calls come here again */
}
