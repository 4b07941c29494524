/* Forms of InvokeModel's body; see bedrock_invoke.h. */
#include "dataplane/dialects/bedrock_invoke.h"

#include "dataplane/dialects/converse_parts.h"

/* The content of the first message is a list of blocks without `type`: Converse's and Nova's. */
static bool has_untyped_blocks(struct json_value messages)
{
    struct json_value message, content, block, v;
    size_t pos = 0;
    if (!json_next(messages, &pos, NULL, &message) || !read_get(message, "content", &content)) {
        return false;
    }
    pos = 0;
    return content.type == JSON_ARRAY && json_next(content, &pos, NULL, &block) &&
           block.type == JSON_OBJECT && !read_get(block, "type", &v);
}

enum provider_api bedrock_invoke_api(struct str body, struct str model)
{
    struct json_value b, v, messages;
    if (!read_json(body, &b) || b.type != JSON_OBJECT) {
        return API_NONE;
    }
    if (read_get(b, "anthropic_version", &v)) {
        return API_INVOKE_MESSAGES;
    }
    if (read_get(b, "query", &v) && read_get(b, "documents", &v)) {
        return API_BEDROCK_RERANK;
    }
    if (read_get(b, "texts", &v) || read_get(b, "images", &v) ||
        (read_get(b, "input_type", &v) && !read_get(b, "messages", &v))) {
        return API_BEDROCK_COHERE_EMBED;
    }
    /* Titan's text models take inputText too */
    if ((read_get(b, "inputText", &v) && !read_get(b, "textGenerationConfig", &v)) ||
        read_get(b, "inputImage", &v)) {
        return API_TITAN_EMBED;
    }
    if (!read_get(b, "messages", &messages)) {
        return API_NONE;
    }
    if (read_get(b, "schemaVersion", &v) || read_get(b, "inferenceConfig", &v)) {
        return API_CONVERSE;
    }
    if (converse_model_is(model, "anthropic.") || converse_model_is(model, "claude")) {
        return API_INVOKE_MESSAGES;
    }
    return has_untyped_blocks(messages) ? API_CONVERSE : API_CHAT;
}

enum provider_api bedrock_count_api(struct str body, struct arena *a, struct str *ret_inner)
{
    struct json_value b, input, v;
    if (!read_json(body, &b) || !read_get(b, "input", &input)) {
        return API_NONE;
    }
    if (read_get(input, "converse", &v) && v.type == JSON_OBJECT) {
        *ret_inner = v.raw;
        return API_CONVERSE_COUNT;
    }
    if (read_get(input, "invokeModel", &v)) {
        struct str text = read_get_text(a, v, "body");
        struct str inner = text.ptr ? base64_bytes(a, text) : STR_NONE;
        if (inner.ptr) {
            *ret_inner = inner;
            return API_MESSAGES_COUNT;
        }
    }
    return API_NONE;
}
