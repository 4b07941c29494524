/* The Messages codecs: Anthropic's API, Vertex, Bedrock's InvokeModel, and token counting. */
#include "dataplane/dialects/messages_codec.h"

#include "dataplane/dialects/messages_inside.h"

static bool api_read(const struct wire_request *w, struct arena *a, struct chat_request *ret,
                     struct error *err)
{
    return messages_read_request(w, a, MESSAGES_API, ret, err);
}

static bool vertex_read(const struct wire_request *w, struct arena *a, struct chat_request *ret,
                        struct error *err)
{
    return messages_read_request(w, a, MESSAGES_VERTEX, ret, err);
}

static bool invoke_read(const struct wire_request *w, struct arena *a, struct chat_request *ret,
                        struct error *err)
{
    return messages_read_request(w, a, MESSAGES_INVOKE, ret, err);
}

bool messages_count_decode(const struct wire_request *w, struct arena *a, struct chat_request *ret,
                           struct error *err)
{
    return messages_read_request(w, a, MESSAGES_COUNT, ret, err);
}

static bool api_write(const struct chat_request *q, const struct exchange_context *x,
                      struct arena *a, struct buffer *out, struct error *err)
{
    return messages_write_request(q, x, MESSAGES_API, a, out, err);
}

static bool vertex_write(const struct chat_request *q, const struct exchange_context *x,
                         struct arena *a, struct buffer *out, struct error *err)
{
    return messages_write_request(q, x, MESSAGES_VERTEX, a, out, err);
}

static bool invoke_write(const struct chat_request *q, const struct exchange_context *x,
                         struct arena *a, struct buffer *out, struct error *err)
{
    return messages_write_request(q, x, MESSAGES_INVOKE, a, out, err);
}

static bool count_write(const struct chat_request *q, const struct exchange_context *x,
                        struct arena *a, struct buffer *out, struct error *err)
{
    return messages_write_request(q, x, MESSAGES_COUNT, a, out, err);
}

static bool count_read_reply(struct str body, uint64_t *ret_tokens, struct error *err)
{
    struct json_value v, n;
    if (!read_json(body, &v) || v.type != JSON_OBJECT || !read_get(v, "input_tokens", &n) ||
        n.type != JSON_NUMBER) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer has no input_tokens");
    }
    *ret_tokens = read_get_u64(v, "input_tokens");
    return true;
}

static bool count_write_reply(uint64_t tokens, struct arena *a, struct buffer *out)
{
    struct json_writer w;
    (void)a;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_u64(&w, "input_tokens", tokens);
    json_object_end(&w);
    return !out->failed;
}

#define ANSWERS                                                                \
    .family = FAMILY_MESSAGES, .decode_reply = messages_read_reply,            \
    .encode_reply = messages_write_reply, .decoder_new = messages_decoder_new, \
    .decode_event = messages_decode_event, .decode_end = messages_decode_end,  \
    .encode_chunk = messages_encode_chunk

const struct chat_codec messages_codec = {
    ANSWERS,
    .framing = FRAMING_SSE,
    .decode_request = api_read,
    .encode_request = api_write,
    .encoder_new = messages_encoder_new,
};

const struct chat_codec vertex_messages_codec = {
    ANSWERS,
    .framing = FRAMING_SSE,
    .decode_request = vertex_read,
    .encode_request = vertex_write,
    .encoder_new = messages_encoder_new,
};

const struct chat_codec invoke_messages_codec = {
    ANSWERS,
    .framing = FRAMING_AWS,
    .decode_request = invoke_read,
    .encode_request = invoke_write,
    .encoder_new = messages_encoder_new_aws,
};

const struct chat_codec messages_count_request_codec = {
    .family = FAMILY_MESSAGES,
    .framing = FRAMING_NONE,
    .decode_request = messages_count_decode,
    .encode_request = api_write,
};

const struct count_codec messages_count_codec = {
    .encode_request = count_write,
    .decode_reply = count_read_reply,
    .encode_reply = count_write_reply,
};
