/* See unfold.h. */
#include "dataplane/stream/unfold.h"

struct out {
    chunk_fn emit;
    void *arg;
    unsigned choice;
    int tools; /* of this choice so far */
};

static struct chunk chunk_of(const struct out *o, enum chunk_type type)
{
    return (struct chunk){.type = type, .choice = o->choice, .tool = -1};
}

static void emit_text(const struct out *o, enum chunk_type type, struct str text)
{
    struct chunk c = chunk_of(o, type);
    c.text = text;
    o->emit(o->arg, &c);
}

static void emit_signature(const struct out *o, const struct part *p, int tool)
{
    struct chunk c = chunk_of(o, CHUNK_SIGNATURE);
    if (p->signature.len == 0) {
        return;
    }
    c.tool = tool;
    c.text = p->signature;
    c.family = p->signature_family;
    o->emit(o->arg, &c);
}

static void emit_tool(struct out *o, const struct part *p)
{
    struct chunk c = chunk_of(o, CHUNK_TOOL_BEGIN);
    c.tool = o->tools++;
    c.id = p->id;
    c.name = p->name;
    o->emit(o->arg, &c);
    emit_signature(o, p, c.tool);
    c = chunk_of(o, CHUNK_TOOL_ARGUMENTS);
    c.tool = o->tools - 1;
    c.text = p->arguments;
    if (c.text.len) {
        o->emit(o->arg, &c);
    }
    c = chunk_of(o, CHUNK_TOOL_END);
    c.tool = o->tools - 1;
    o->emit(o->arg, &c);
}

static void emit_citations(const struct out *o, const struct part *p)
{
    for (size_t i = 0; i < p->n_citations; i++) {
        struct chunk c = chunk_of(o, CHUNK_CITATION);
        c.citation = &p->citations[i];
        o->emit(o->arg, &c);
    }
}

static void emit_part(struct out *o, const struct part *p)
{
    struct chunk c;
    switch (p->type) {
    case PART_TEXT:
        emit_text(o, CHUNK_TEXT, p->text);
        emit_citations(o, p);
        break;
    case PART_REFUSAL:
        emit_text(o, CHUNK_REFUSAL, p->text);
        break;
    case PART_THINKING:
        if (p->text.len) {
            emit_text(o, CHUNK_THINKING, p->text);
        }
        emit_signature(o, p, -1);
        break;
    case PART_REDACTED_THINKING:
        c = chunk_of(o, CHUNK_REDACTED);
        c.text = p->signature;
        c.family = p->signature_family;
        o->emit(o->arg, &c);
        break;
    case PART_TOOL_CALL:
        emit_tool(o, p);
        break;
    case PART_AUDIO:
        c = chunk_of(o, CHUNK_AUDIO);
        c.id = p->id;
        c.text = p->text;
        c.audio = p->media.data;
        o->emit(o->arg, &c);
        break;
    default:
        c = chunk_of(o, CHUNK_MEDIA);
        c.part = p;
        o->emit(o->arg, &c);
        break;
    }
    c = chunk_of(o, CHUNK_BREAK);
    o->emit(o->arg, &c);
}

static void emit_choice(struct out *o, const struct chat_choice *choice)
{
    struct chunk c;
    o->choice = choice->index;
    o->tools = 0;
    for (size_t i = 0; i < choice->n_parts; i++) {
        emit_part(o, &choice->parts[i]);
    }
    if (choice->logprobs.len) {
        c = chunk_of(o, CHUNK_LOGPROBS);
        c.raw = choice->logprobs;
        o->emit(o->arg, &c);
    }
    c = chunk_of(o, CHUNK_FINISH);
    c.finish = choice->finish;
    c.text = choice->finish_raw;
    c.stop_sequence = choice->stop_sequence;
    o->emit(o->arg, &c);
}

void unfold_reply(const struct chat_reply *reply, chunk_fn emit, void *arg)
{
    struct out o = {.emit = emit, .arg = arg};
    struct chunk c = chunk_of(&o, CHUNK_START);
    c.id = reply->id;
    c.model = reply->model;
    c.created = reply->created;
    c.service_tier = reply->service_tier;
    c.system_fingerprint = reply->system_fingerprint;
    c.usage = reply->usage.found ? &reply->usage : NULL;
    emit(arg, &c);
    for (size_t i = 0; i < reply->n_choices; i++) {
        emit_choice(&o, &reply->choices[i]);
    }
    o.choice = 0;
    if (reply->n_choices == 0) {
        c = chunk_of(&o, CHUNK_FINISH);
        c.finish = FINISH_CONTENT_FILTER;
        c.text = reply->block_reason;
        emit(arg, &c);
    }
    if (reply->usage.found) {
        c = chunk_of(&o, CHUNK_USAGE);
        c.usage = &reply->usage;
        emit(arg, &c);
    }
    c = chunk_of(&o, CHUNK_END);
    emit(arg, &c);
}
