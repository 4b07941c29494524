/* Events as JSON, for standalone mode's file. */
#include "dataplane/report/event_json.h"

#include <ctype.h>

#include "common/base/uuid.h"
#include "common/json.h"
#include "proto/usage.pb-c.h"

/* "OUTCOME_CLIENT_GONE" -> "client_gone"; a number that this build has no name for stays a number.
 */
static void put_enum(struct json_writer *w, const char *name, const ProtobufCEnumDescriptor *d,
                     int value, size_t prefix)
{
    char text[48];
    size_t n = 0;
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, value);
    json_name(w, name);
    if (!v) {
        json_put_i64(w, value);
        return;
    }
    for (const char *at = v->name + prefix; *at && n + 1 < sizeof(text); at++) {
        text[n++] = (char)tolower((unsigned char)*at);
    }
    json_put_str(w, (struct str){text, n});
}

static void put_id(struct json_writer *w, const char *name, const ProtobufCBinaryData *id)
{
    struct uuid u;
    char text[37];
    json_name(w, name);
    if (id->len != sizeof(u.b)) {
        json_put_null(w);
        return;
    }
    memcpy(u.b, id->data, sizeof(u.b));
    uuid_format(&u, text);
    json_put_z(w, text);
}

static void put_quantity(struct json_writer *w, const Weir__Quantity *q)
{
    json_object_begin(w);
    put_enum(w, "unit", &weir__unit__descriptor, (int)q->unit, sizeof("UNIT_") - 1);
    json_field_u64(w, "quantity", q->quantity);
    json_field_u64(w, "price_picousd", q->price_picousd);
    put_enum(w, "source", &weir__source__descriptor, (int)q->source, sizeof("SOURCE_") - 1);
    json_object_end(w);
}

static void put_attempt(struct json_writer *w, const Weir__Attempt *t)
{
    json_object_begin(w);
    json_field_u64(w, "number", t->number);
    put_id(w, "provider_id", &t->provider_id);
    json_field_z(w, "provider", t->provider);
    json_field_z(w, "model", t->model);
    json_field_z(w, "answered_model", t->answered_model);
    json_field_u64(w, "status", t->status);
    put_enum(w, "outcome", &weir__outcome__descriptor, (int)t->outcome, sizeof("OUTCOME_") - 1);
    json_field_z(w, "error_code", t->error_code);
    json_field_z(w, "finish_reason", t->finish_reason);
    json_field_u64(w, "started_us", t->started_us);
    json_field_u64(w, "duration_us", t->duration_us);
    json_field_u64(w, "first_byte_us", t->first_byte_us);
    json_field_u64(w, "bound_nanousd", t->bound_nanousd);
    json_field_u64(w, "cost_nanousd", t->cost_nanousd);
    json_name(w, "quantities");
    json_array_begin(w);
    for (size_t i = 0; i < t->n_quantities; i++) {
        put_quantity(w, t->quantities[i]);
    }
    json_array_end(w);
    json_field_z(w, "upstream_request_id", t->upstream_request_id);
    json_field_z(w, "kind", t->kind);
    json_field_z(w, "option", t->option);
    json_field_u64(w, "credential", t->credential);
    json_field_u64(w, "list_nanousd", t->list_nanousd);
    json_field_u64(w, "ratio_ppm", t->ratio_ppm);
    json_field_z(w, "service_tier", t->service_tier);
    json_object_end(w);
}

static void put_charge(struct json_writer *w, const Weir__Charge *c)
{
    json_object_begin(w);
    put_id(w, "quota_id", &c->quota_id);
    json_field_z(w, "bucket", c->bucket);
    json_name(w, "window_start_s");
    json_put_i64(w, c->window_start_s);
    json_field_u64(w, "amount", c->amount);
    json_field_bool(w, "overrun", c->overrun);
    json_object_end(w);
}

/* For whom, at whose price, out of which budgets. */
static void put_governance(struct json_writer *w, const Weir__Event *e)
{
    put_id(w, "team_id", &e->team_id);
    put_id(w, "service_account_id", &e->service_account_id);
    json_field_z(w, "end_user", e->end_user);
    json_field_z(w, "price_group", e->price_group);
    json_field_u64(w, "list_nanousd", e->list_nanousd);
    json_field_u64(w, "custom_nanousd", e->custom_nanousd);
    put_id(w, "price_book_id", &e->price_book_id);
    json_field_z(w, "downgraded_from", e->downgraded_from);
    json_name(w, "tags");
    json_array_begin(w);
    for (size_t i = 0; i < e->n_tags; i++) {
        json_put_z(w, e->tags[i]);
    }
    json_array_end(w);
    json_name(w, "charges");
    json_array_begin(w);
    for (size_t i = 0; i < e->n_charges; i++) {
        put_charge(w, e->charges[i]);
    }
    json_array_end(w);
}

/* What cache, routing config and prompt had to do with it. */
static void put_routing(struct json_writer *w, const Weir__Event *e)
{
    json_field_z(w, "cache_status", e->cache_status);
    json_field_u64(w, "saved_nanousd", e->saved_nanousd);
    json_field_u64(w, "saved_us", e->saved_us);
    put_id(w, "config_id", &e->config_id);
    json_field_u64(w, "config_number", e->config_number);
    json_field_z(w, "assignment", e->assignment);
    put_id(w, "prompt_id", &e->prompt_id);
    json_field_u64(w, "prompt_version", e->prompt_version);
    put_id(w, "mirror_of", &e->mirror_of);
}

static void put_event(struct json_writer *w, const Weir__Event *e)
{
    struct error ignored = ERROR_INIT;
    json_object_begin(w);
    put_id(w, "id", &e->id);
    put_id(w, "organization_id", &e->organization_id);
    put_id(w, "workspace_id", &e->workspace_id);
    put_id(w, "key_id", &e->key_id);
    put_id(w, "user_id", &e->user_id);
    json_field_u64(w, "started_us", e->started_us);
    json_field_u64(w, "duration_us", e->duration_us);
    json_field_u64(w, "first_byte_us", e->first_byte_us);
    json_field_z(w, "endpoint", e->endpoint);
    json_field_z(w, "dialect", e->dialect);
    json_field_z(w, "model", e->model);
    json_field_bool(w, "stream", e->stream);
    json_field_u64(w, "status", e->status);
    put_enum(w, "outcome", &weir__outcome__descriptor, (int)e->outcome, sizeof("OUTCOME_") - 1);
    json_field_z(w, "error_code", e->error_code);
    json_field_u64(w, "cost_nanousd", e->cost_nanousd);
    json_field_u64(w, "config_version", e->config_version);
    json_field_u64(w, "price_version", e->price_version);
    /* a JSON text in the message, a value here; as text where it is none */
    struct str metadata = str_of(e->metadata_json);
    struct json_value value;
    json_name(w, "metadata");
    if (metadata.len == 0) {
        json_put_raw(w, STR_LIT("{}"));
    } else if (json_validate(metadata, JSON_MAX_DEPTH, &value, &ignored) &&
               !memchr(metadata.ptr, '\n', metadata.len)) {
        json_put_raw(w, value.raw);
    } else {
        json_put_str(w, metadata);
    }
    json_field_z(w, "trace_id", e->trace_id);
    json_name(w, "attempts");
    json_array_begin(w);
    for (size_t i = 0; i < e->n_attempts; i++) {
        put_attempt(w, e->attempts[i]);
    }
    json_array_end(w);
    put_routing(w, e);
    put_governance(w, e);
    json_object_end(w);
}

bool event_json_write(struct str event, struct buffer *out, struct error *err)
{
    Weir__Event *e = weir__event__unpack(NULL, event.len, (const uint8_t *)event.ptr);
    if (!e) {
        return error_set(err, ERR_INVALID_FIELD, "usage event of %zu bytes cannot be read",
                         event.len);
    }
    struct json_writer w;
    json_writer_init(&w, out);
    put_event(&w, e);
    weir__event__free_unpacked(e, NULL);
    if (out->failed) {
        return error_set(err, ERR_INTERNAL, "usage event does not fit its line");
    }
    return true;
}
