/* What the two request forms of OpenAI (chat completions, responses) share on being read: the walk
 * over an object's members by a table, the path of what is wrong, tools, the choice among them and
 * the wanted output's form. Pure; memory is the caller's arena. */
#ifndef DATAPLANE_DIALECTS_OPENAI_FIELDS_H
#define DATAPLANE_DIALECTS_OPENAI_FIELDS_H

#include "common/json.h"
#include "dataplane/canonical/chat.h"
#include "dataplane/canonical/read.h"

struct openai_decode {
    struct arena *a;
    struct chat_request *q;
    struct error *err;
    size_t cap_messages, cap_tools, cap_extras;
    size_t cap_results; /* of the tool message at the end */
    char path[64];      /* of the value at hand, cut where it is longer */
    size_t path_len;
    struct json_value allowed; /* tool_choice's list; type JSON_NULL: none */
    struct json_value messages, instructions;
    struct str legacy_id; /* made for the last function_call that had none */
    bool lenient;         /* a provider's answer: what is not understood is passed over */
};

struct openai_field {
    const char *name;
    /* NULL: known, and of no meaning here */
    bool (*read)(struct openai_decode *d, const struct json_member *m, void *at);
    size_t offset; /* of its place in struct chat_request */
};

/* A request with nothing said. */
void openai_decode_init(struct openai_decode *d, struct arena *a, struct chat_request *q,
                        struct error *err);
/* Appends ".name" (or "name" at the start), or "[i]"; returns what to set path_len back to. */
size_t openai_path_name(struct openai_decode *d, const char *name);
size_t openai_path_index(struct openai_decode *d, size_t i);
void openai_path_back(struct openai_decode *d, size_t mark);
/* ERR_INVALID_FIELD at the path, and out of room; always false. */
bool openai_bad(struct openai_decode *d, const char *what);
bool openai_no_room(struct openai_decode *d);

/* Walks the top-level object; what no row names becomes an extra. */
bool openai_read_fields(struct openai_decode *d, struct json_value object,
                        const struct openai_field *fields, size_t n);
bool openai_add_extra(struct openai_decode *d, const char *name, struct str raw);

/* Readers for rows; `at` is a struct str, struct str, uint64_t, int64_t, int (-1, 0, 1), bool. */
bool openai_read_text(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_number(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_u64(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_i64(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_flag(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_truth(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_raw(struct openai_decode *d, const struct json_member *m, void *at);
/* The same for the whole request; `at` is not looked at. */
bool openai_read_model(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_stop(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_effort(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_tools(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_functions(struct openai_decode *d, const struct json_member *m, void *at);
bool openai_read_tool_choice(struct openai_decode *d, const struct json_member *m, void *at);
/* {"type":"json_schema", …}: v is `response_format`, or `text.format` whose schema lies flat. */
bool openai_read_format(struct openai_decode *d, struct json_value v);
/* Leaves only the tools that allowed_tools named, once both are read. */
void openai_apply_allowed(struct openai_decode *d);

/* Messages and parts; NULL: out of room (said in err). */
struct message *openai_message(struct openai_decode *d, enum chat_role role);
struct part *openai_part(struct openai_decode *d, struct part **parts, size_t *n, size_t *cap,
                         enum part_type type);
/* A part of the tool message at the end, or of a new one. */
struct part *openai_result(struct openai_decode *d);
/* `cache_control` of an object. */
enum cache_mark openai_cache_mark(struct arena *a, struct json_value object);
/* Name of the call that this id belongs to, among the latest messages; STR_NONE. */
struct str openai_call_name(const struct chat_request *q, struct str id);
/* A document's data: a data URL or plain base64; what kind of part it is by its media type. */
bool openai_file_part(struct openai_decode *d, struct json_value file, struct part *p);

#endif
