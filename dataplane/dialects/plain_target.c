/* See plain_target.h. */
#include "dataplane/dialects/plain_target.h"

void plain_losses(const struct chat_request *q, struct losses *l)
{
    const struct {
        bool asked;
        enum chat_field field;
    } fields[] = {
        {q->n > 1, FIELD_N},
        {q->logit_bias.ptr != NULL, FIELD_LOGIT_BIAS},
        {q->user.len > 0, FIELD_USER},
        {q->metadata.ptr != NULL, FIELD_METADATA},
        {q->store == 1, FIELD_STORE},
        {q->service_tier.len > 0 && !str_eqz(q->service_tier, "auto") &&
             !str_eqz(q->service_tier, "default"),
         FIELD_SERVICE_TIER},
        {q->verbosity.len > 0, FIELD_VERBOSITY},
        {q->wants_audio || q->wants_image, FIELD_MODALITIES},
        {q->audio_voice.len > 0, FIELD_AUDIO},
        {q->prediction.ptr != NULL, FIELD_PREDICTION},
        {q->web_search.ptr != NULL, FIELD_WEB_SEARCH},
        {q->safety.ptr != NULL, FIELD_SAFETY},
        {q->cached_content.len > 0, FIELD_CACHED_CONTENT},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].asked) {
            losses_add(l, q->family, fields[i].field);
        }
    }
}

struct str plain_thinking(const struct chat_request *q, const struct message *m, enum family target,
                          struct arena *a, struct losses *l)
{
    struct str all = STR_NONE;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        if (p->type == PART_REDACTED_THINKING ||
            (p->type == PART_THINKING && p->signature.len && p->signature_family != target)) {
            losses_add(l, q->family, FIELD_THINKING);
        } else if (p->type == PART_THINKING && p->text.len) {
            all =
                all.len ? arena_printf(a, "%.*s\n\n%.*s", STR_ARG(all), STR_ARG(p->text)) : p->text;
        }
    }
    return all;
}

void plain_extras(struct json_writer *w, const struct chat_request *q, enum family target,
                  struct arena *a, struct losses *l)
{
    for (size_t i = 0; i < q->n_extras; i++) {
        const struct extra *e = &q->extras[i];
        struct str name = q->family == target ? arena_str(a, e->name) : STR_NONE;
        if (name.ptr) {
            json_name(w, name.ptr);
            json_put_raw(w, e->raw);
        } else {
            losses_add_name(l, e->name);
        }
    }
}
