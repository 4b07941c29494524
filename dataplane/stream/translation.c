/* See translation.h. */
#include "dataplane/stream/translation.h"

#include "dataplane/request/pricing.h"

void translation_context(struct request *r, const struct candidate *c, struct exchange_context *ret)
{
    *ret = (struct exchange_context){
        .model = c->model,
        .client_model = r->model,
        .request_id = str_of(r->id_text),
        .unique = str_of(r->id_text + 4),
        .created = (int64_t)(r->started_wall_us / 1000000),
        .stream = r->stream,
        .client_framing = r->client_framing,
        .max_output = pricing_max_output(r, c),
        .provider_kind = c->provider->row ? str_of(c->provider->row->name) : c->provider->kind,
        .quirks = c->provider->row ? c->provider->row->quirks : 0,
        .losses = &r->losses,
    };
}
