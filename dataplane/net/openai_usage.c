/* Values into struct openai_usage, and the events of a stream. openai_reader.c reads bodies. */
#include "dataplane/net/openai_usage.h"

struct str openai_usage_model(const struct openai_usage *u)
{
    return (struct str){u->model, u->model_len};
}

struct str openai_usage_id(const struct openai_usage *u)
{
    return (struct str){u->id, u->id_len};
}

struct str openai_usage_finish_reason(const struct openai_usage *u)
{
    return (struct str){u->finish_reason, u->finish_reason_len};
}

struct str openai_usage_service_tier(const struct openai_usage *u)
{
    return (struct str){u->service_tier, u->service_tier_len};
}

/* Leaves *ret alone for what is not a number of tokens. */
static void count_read(const struct json_member *m, struct openai_count *ret)
{
    if (m->found && json_u64(m->value, &ret->value))
        ret->found = true;
}

static void details_read(const struct json_member *m, const char *name, struct openai_count *ret,
                         struct openai_count *ret_audio)
{
    struct json_member wanted[] = {{.name = str_of(name)}, {.name = STR_LIT("audio_tokens")}};

    if (!m->found || m->value.type != JSON_OBJECT || !json_members(m->value, wanted, 2, NULL))
        return;
    count_read(&wanted[0], ret);
    count_read(&wanted[1], ret_audio);
}

bool openai_usage_object(struct json_value object, struct openai_usage *u)
{
    struct json_member m[] = {{.name = STR_LIT("prompt_tokens")},
                              {.name = STR_LIT("completion_tokens")},
                              {.name = STR_LIT("total_tokens")},
                              {.name = STR_LIT("prompt_tokens_details")},
                              {.name = STR_LIT("completion_tokens_details")}};
    struct openai_usage got = {0};

    if (object.type != JSON_OBJECT || !json_members(object, m, 5, NULL))
        return false;
    count_read(&m[0], &got.prompt_tokens);
    count_read(&m[1], &got.completion_tokens);
    count_read(&m[2], &got.total_tokens);
    if (!got.prompt_tokens.found && !got.completion_tokens.found && !got.total_tokens.found)
        return false;
    details_read(&m[3], "cached_tokens", &got.cached_tokens, &got.audio_in_tokens);
    details_read(&m[4], "reasoning_tokens", &got.reasoning_tokens, &got.audio_out_tokens);
    u->found = true;
    u->prompt_tokens = got.prompt_tokens;
    u->completion_tokens = got.completion_tokens;
    u->total_tokens = got.total_tokens;
    u->cached_tokens = got.cached_tokens;
    u->audio_in_tokens = got.audio_in_tokens;
    u->audio_out_tokens = got.audio_out_tokens;
    u->reasoning_tokens = got.reasoning_tokens;
    u->raw_len = object.raw.len <= sizeof(u->raw) ? object.raw.len : 0;
    memcpy(u->raw, object.raw.ptr, u->raw_len);
    return true;
}

void openai_text_copy(struct json_value v, char buf[OPENAI_TEXT_MAX], size_t *ret_len)
{
    char decoded[6 * OPENAI_TEXT_MAX];
    struct str text = json_text(v);
    size_t len;

    if (v.escaped) {
        if (!json_unescape(v, decoded, sizeof(decoded), &len))
            return;
        text = (struct str){decoded, len};
    }
    if (text.len == 0)
        return;
    len = text.len;
    if (len > OPENAI_TEXT_MAX) {
        /* not through the middle of a character */
        for (len = OPENAI_TEXT_MAX; len > 0 && (text.ptr[len] & 0xc0) == 0x80;)
            len--;
    }
    memcpy(buf, text.ptr, len);
    *ret_len = len;
}

static void finish_reason_read(struct json_value choices, struct openai_usage *u)
{
    struct json_value choice;
    size_t pos = 0;

    while (json_next(choices, &pos, NULL, &choice)) {
        struct json_member m = {.name = STR_LIT("finish_reason")};

        if (choice.type != JSON_OBJECT || !json_members(choice, &m, 1, NULL) || !m.found ||
            m.value.type != JSON_STRING)
            continue;
        openai_text_copy(m.value, u->finish_reason, &u->finish_reason_len);
        return;
    }
}

enum openai_chunk openai_usage_chunk(struct str data, struct openai_usage *u)
{
    struct json_member m[] = {{.name = STR_LIT("id")},      {.name = STR_LIT("model")},
                              {.name = STR_LIT("choices")}, {.name = STR_LIT("usage")},
                              {.name = STR_LIT("error")},   {.name = STR_LIT("service_tier")}};
    struct json_value ignored;
    size_t pos = 0;
    bool usage;

    if (str_eqz(str_trim(data), "[DONE]"))
        return OPENAI_CHUNK_DONE;
    if (!json_scan(data, m, 6, 0, NULL))
        return OPENAI_CHUNK_OTHER;
    if (m[0].found && u->id_len == 0)
        openai_text_copy(m[0].value, u->id, &u->id_len);
    if (m[1].found && u->model_len == 0)
        openai_text_copy(m[1].value, u->model, &u->model_len);
    if (m[5].found && m[5].value.type == JSON_STRING)
        openai_text_copy(m[5].value, u->service_tier, &u->service_tier_len);
    usage = m[3].found && openai_usage_object(m[3].value, u);
    if (m[4].found && (m[4].value.type == JSON_OBJECT || m[4].value.type == JSON_STRING))
        return OPENAI_CHUNK_ERROR;
    if (!m[2].found || m[2].value.type != JSON_ARRAY)
        return OPENAI_CHUNK_CONTENT;
    if (!json_next(m[2].value, &pos, NULL, &ignored))
        return usage ? OPENAI_CHUNK_USAGE : OPENAI_CHUNK_CONTENT;
    finish_reason_read(m[2].value, u);
    return OPENAI_CHUNK_CONTENT;
}
