/* Bedrock's Converse and ConverseStream, as a client's dialect and as a provider's. The parts of
 * it:
 *
 *     converse_decode.c    a client's request in
 *     converse_blocks.c    content blocks in, for requests and answers
 *     converse_encode.c    a provider's request out: settings
 *     converse_messages.c  … its conversation        converse_tools.c  … its tools
 *     converse_write.c     blocks out, stop reasons, usage: what both sides share
 *     converse_reply.c     whole answers, both ways
 *     converse_stream.c    a provider's events in    converse_frames.c  a client's frames out
 *
 * Counting tokens takes the same request inside {"input":{"converse":…}}; decode_request takes
 * either. */
#include "dataplane/dialects/converse_parts.h"

const struct chat_codec converse_codec = {
    .family = FAMILY_CONVERSE,
    .framing = FRAMING_AWS,
    .decode_request = converse_decode_request,
    .encode_request = converse_encode_request,
    .decode_reply = converse_decode_reply,
    .encode_reply = converse_encode_reply,
    .decoder_new = converse_decoder_new,
    .decode_event = converse_decode_event,
    .decode_end = converse_decode_end,
    .encoder_new = converse_encoder_new,
    .encode_chunk = converse_encode_chunk,
};

static bool decode_count(struct str body, uint64_t *ret_tokens, struct error *err)
{
    struct json_value whole, v;
    uint64_t tokens;
    if (!read_json(body, &whole) || !read_get(whole, "inputTokens", &v) || !json_u64(v, &tokens)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no inputTokens");
    }
    *ret_tokens = tokens;
    return true;
}

static bool encode_count(uint64_t tokens, struct arena *a, struct buffer *out)
{
    struct json_writer w;
    (void)a;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_u64(&w, "inputTokens", tokens);
    json_object_end(&w);
    return !out->failed;
}

const struct count_codec converse_count_codec = {
    .encode_request = converse_encode_count,
    .decode_reply = decode_count,
    .encode_reply = encode_count,
};
