/* What answers in OpenAI's two forms share: counts, finish words, annotations, thoughts' texts and
 * proofs, and an error within an answer. Both ways. Pure; memory is the caller's arena. */
#ifndef DATAPLANE_DIALECTS_OPENAI_ANSWER_H
#define DATAPLANE_DIALECTS_OPENAI_ANSWER_H

#include "common/json.h"
#include "dataplane/canonical/provider_error.h"
#include "dataplane/dialects/dialect.h"

/* A family by its name in `signature_from`; `otherwise` when it says none. */
enum family openai_family_named(struct str name, enum family otherwise);

/* `reasoning_content`, `reasoning` or `thinking`, whichever holds text; STR_NONE. */
struct str openai_reasoning_text(struct arena *a, struct json_value message);

/* One entry of OpenRouter's reasoning_details. */
struct openai_detail {
    struct str text, signature;
    enum family family; /* who signed, by its `format` */
    bool encrypted;     /* signature is opaque data, and there is no text */
};
/* False when it holds nothing. */
bool openai_read_detail(struct arena *a, struct json_value o, struct openai_detail *ret);
const char *openai_detail_format(enum family f);

/* "extra_content":{"google":{"thought_signature":…}}: Gemini's proof of a tool call, as Google's
 * own compatible endpoint writes it. */
void openai_put_thought_signature(struct json_writer *w, struct str signature);

/* Counts under chat completions' names or responses', with what compatible providers call them; x
 * may be NULL. True when there was any number. */
bool openai_read_usage(struct json_value v, const struct exchange_context *x, struct usage *ret);
/* The usage of an answer or of a chunk, wherever this provider puts it. */
bool openai_find_usage(struct json_value answer, const struct exchange_context *x,
                       struct usage *ret);
void openai_put_chat_usage(struct json_writer *w, const struct usage *u);
void openai_put_responses_usage(struct json_writer *w, const struct usage *u);

enum finish openai_finish_of(struct str word);
const char *openai_finish_word(enum finish f);
/* vLLM's stop_reason, SGLang's matched_stop: the client's stop text that was hit, if any. */
struct str openai_stop_hit(struct arena *a, struct json_value choice,
                           const struct exchange_context *x);

/* url_citation in either form (chat completions nest it). False when it is none. */
bool openai_read_annotation(struct arena *a, struct json_value o, enum family family,
                            struct citation *ret);
/* With `nested`, chat completions' form; offset is added to the positions. False for
 * what cannot be said, and nothing is written: without a URL only responses knows one, of a file.
 */
bool openai_put_annotation(struct json_writer *w, const struct citation *c, bool nested,
                           int64_t offset);
/* Sources of the whole answer that stand beside its choices: Perplexity's search_results,
 * [{"title","url"}], and its and xAI's citations, ["https://…"]. */
bool openai_find_sources(struct json_value answer, struct json_value *ret_list);
/* One of them; false when it names no URL. */
bool openai_read_source(struct arena *a, struct json_value o, struct citation *ret);
/* The first choice that holds an error (OpenRouter's, when its own provider failed midway). */
bool openai_choice_error(struct json_value choices, struct json_value *ret_choice);

/* What a stream's reader knows an id by; 0 only for an empty one. */
uint64_t openai_hash(struct str id);

/* Characters of UTF-8 text. */
int64_t openai_characters(struct str text);

/* What a failure inside a stream says, as the members of an object that was begun: "error" and
 * "weir". */
void openai_put_error(struct json_writer *w, const struct provider_error *e, int status);

/* Takes line breaks out of what was written from `from` on: an event's data is one line, and raw
 * JSON holds none but between its tokens. */
void openai_one_line(struct buffer *out, size_t from);

#endif
