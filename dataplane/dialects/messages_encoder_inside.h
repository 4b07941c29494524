/* The state of a stream to the client, between messages_encoder.c (which chunk becomes what, and
 * when) and messages_events.c (how an event is written). */
#ifndef DATAPLANE_DIALECTS_MESSAGES_ENCODER_INSIDE_H
#define DATAPLANE_DIALECTS_MESSAGES_ENCODER_INSIDE_H

#include "dataplane/dialects/messages_inside.h"

#define WAITING_MAX 16
#define WAITING_BYTES (1u << 20)
#define EVENT_MAX (16u << 20)
#define NAME_ROOM 256 /* of ids and names of waiting tools */
#define PROOFS_MAX 16 /* signatures of calls that wait for their call's end */
#define PROOF_BYTES (64u << 10)
#define SCRATCH_BYTES (4u << 20) /* of texts made for one chunk, and the proofs */

enum open_kind { OPEN_NONE = 0, OPEN_TEXT, OPEN_THINKING, OPEN_TOOL };

struct messages_waiting {
    int tool;
    char id[NAME_ROOM], name[NAME_ROOM];
    size_t id_len, name_len;
    struct buffer arguments;
    bool ended;
};

struct messages_encoder {
    const struct exchange_context *x;
    struct arena *a;
    bool aws;
    bool started, ended;
    enum open_kind open;
    bool signed_; /* the open thought has its signature: it takes no more text */
    int tool;     /* of OPEN_TOOL */
    uint64_t index;
    struct messages_waiting *waiting[WAITING_MAX];
    size_t n_waiting, waiting_bytes;
    char tool_id[NAME_ROOM]; /* of the open tool */
    size_t tool_id_len;
    struct str proofs[PROOFS_MAX];
    size_t n_proofs;
    bool refused, called;
    enum finish finish;
    char stop_sequence[NAME_ROOM];
    size_t stop_len;
    bool has_stop;
    struct usage usage;
    char tier[32];
    size_t tier_len;
    struct arena *scratch_arena; /* emptied with each chunk while no proof waits */
    struct buffer scratch;       /* one event, where frames go round it */
};

struct messages_event {
    struct json_writer w;
    struct buffer *out;
    size_t from; /* where its JSON begins */
};

/* At most NAME_ROOM bytes; how many. */
size_t messages_copy_name(char *to, struct str from);
void messages_event_begin(struct messages_encoder *e, struct messages_event *v, struct buffer *out,
                          const char *name);
void messages_event_end(struct messages_encoder *e, struct messages_event *v, struct buffer *out);
void messages_put_start(struct messages_encoder *e, const struct chunk *c, struct buffer *out);
void messages_block_begin(struct messages_encoder *e, struct messages_event *v, struct buffer *out,
                          const char *type);
void messages_put_stop(struct messages_encoder *e, struct buffer *out);
void messages_put_whole(struct messages_encoder *e, struct buffer *out, const char *type,
                        const char *name, struct str value);
void messages_put_delta(struct messages_encoder *e, struct buffer *out, const char *type,
                        const char *name, struct str text);
void messages_open_block(struct messages_encoder *e, struct buffer *out, enum open_kind kind);
void messages_open_tool(struct messages_encoder *e, struct buffer *out, int tool, struct str id,
                        struct str name);
void messages_close_block(struct messages_encoder *e, struct buffer *out);

#endif
