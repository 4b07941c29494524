/* Between the two files that write a stream of the Responses API: what is held of its items
 * (openai_responses_encoder.c decides), and the events' JSON (openai_responses_events.c). */
#ifndef DATAPLANE_DIALECTS_OPENAI_RESPONSES_EVENTS_H
#define DATAPLANE_DIALECTS_OPENAI_RESPONSES_EVENTS_H

#include "common/json.h"
#include "dataplane/dialects/openai_responses.h"

#define HELD_MAX (1u << 20) /* bytes of text, per stream */
#define ITEMS_MAX 256
#define WORD_MAX 512 /* of an id or a name */

enum responses_item_kind {
    ITEM_MESSAGE = 0,
    ITEM_REASONING,
    ITEM_CALL,
    ITEM_IMAGE,
    ITEM_NATIVE,
    ITEM_CUSTOM /* a custom tool's call */
};

struct responses_item {
    enum responses_item_kind kind;
    bool closed, refusal; /* refusal: the open part is one */
    bool part_open;
    unsigned part;    /* number of the open part */
    unsigned n_notes; /* annotations of it so far */
    int tool;
    struct str call_id, name;
    struct buffer text;  /* of the open part; a call's arguments; an image; a native item */
    struct buffer notes; /* annotations of the open part; an image's format */
    struct buffer probs; /* its logprobs */
    struct buffer parts; /* closed parts, as JSON; a reasoning item's proof */
};

struct responses_encoder {
    const struct exchange_context *x;
    struct arena *a;
    struct str id, model, service_tier;
    int64_t created;
    uint64_t sequence;
    size_t held;
    bool started, over;
    bool refused; /* some refusal was said */
    enum finish finish;
    struct usage usage;
    struct responses_item *items[ITEMS_MAX];
    unsigned n_items;
    int open; /* message or reasoning item that is being written; -1 */
};

/* Appends to what is held, cut between characters where the ceiling is reached. */
void responses_hold(struct responses_encoder *e, struct buffer *b, struct str text);
/* Appends one element to what will stand between brackets; dropped where it would not fit. */
void responses_hold_element(struct responses_encoder *e, struct buffer *list, struct str element);

/* "event: …", and its data's object begun; what to give to responses_event_end. */
size_t responses_event_begin(struct responses_encoder *e, struct json_writer *w, struct buffer *out,
                             const char *type);
void responses_event_end(struct json_writer *w, size_t from);
/* The same with item_id and output_index. */
size_t responses_event_of_item(struct responses_encoder *e, struct json_writer *w,
                               struct buffer *out, const char *type, unsigned index);
/* A whole event that holds the item as it is now. */
void responses_item_event(struct responses_encoder *e, struct buffer *out, const char *type,
                          unsigned index, bool done);
/* A whole event that holds the response as it is now. */
void responses_put_response(struct responses_encoder *e, struct buffer *out, const char *type,
                            enum openai_responses_status status,
                            const struct provider_error *failure);
void responses_put_item_id(struct responses_encoder *e, struct json_writer *w, const char *name,
                           unsigned index);
void responses_put_list(struct json_writer *w, const char *name, const struct buffer *inner);
/* The item's open part. */
void responses_put_part(struct json_writer *w, const struct responses_item *it, bool empty);

#endif
