/* See fold.h. */
#include "dataplane/stream/fold.h"

#include "dataplane/canonical/read.h"

#define PARTS_MAX 4096
#define CHOICES_MAX 128

struct piece {
    struct part part;
    unsigned choice;
    int tool; /* -1: none */
    bool closed;
    struct buffer text, other; /* other: arguments, signature or audio */
    size_t citations_cap;
};

struct fold {
    struct arena *arena;
    struct chat_reply reply;
    struct piece **pieces; /* in order of their beginning */
    size_t n, cap;
    struct chat_choice choices[CHOICES_MAX];
    bool seen[CHOICES_MAX];
    struct buffer logprobs[CHOICES_MAX];
    size_t bytes;
    bool over;
};

static void release(void *arg)
{
    struct fold *f = arg;
    for (size_t i = 0; i < f->n; i++) {
        buffer_release(&f->pieces[i]->text);
        buffer_release(&f->pieces[i]->other);
    }
    for (size_t i = 0; i < CHOICES_MAX; i++) {
        buffer_release(&f->logprobs[i]);
    }
}

struct fold *fold_new(struct arena *a)
{
    struct fold *f = arena_zalloc(a, sizeof(*f));
    if (!f || !arena_on_release(a, release, f)) {
        return NULL;
    }
    f->arena = a;
    for (size_t i = 0; i < CHOICES_MAX; i++) {
        buffer_init(&f->logprobs[i], FOLD_MAX_BYTES);
    }
    return f;
}

static void append(struct fold *f, struct buffer *b, struct str s)
{
    f->bytes += s.len;
    if (f->bytes > FOLD_MAX_BYTES || !buffer_append_str(b, s)) {
        f->over = true;
    }
}

static struct str copy(struct fold *f, struct str s)
{
    f->bytes += s.len;
    if (!s.ptr || f->bytes > FOLD_MAX_BYTES) {
        f->over = f->over || s.ptr != NULL;
        return STR_NONE;
    }
    return arena_str(f->arena, s);
}

static struct piece *piece_new(struct fold *f, enum part_type type, const struct chunk *c)
{
    if (f->n == PARTS_MAX) {
        f->over = true;
        return NULL;
    }
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        struct piece **list = arena_alloc(f->arena, cap * sizeof(struct piece *));
        if (!list) {
            f->over = true;
            return NULL;
        }
        if (f->n) {
            memcpy(list, f->pieces, f->n * sizeof(struct piece *));
        }
        f->pieces = list;
        f->cap = cap;
    }
    struct piece *p = arena_zalloc(f->arena, sizeof(*p));
    if (!p) {
        f->over = true;
        return NULL;
    }
    p->part.type = type;
    p->choice = c->choice;
    p->tool = c->tool;
    buffer_init(&p->text, FOLD_MAX_BYTES);
    buffer_init(&p->other, FOLD_MAX_BYTES);
    f->pieces[f->n++] = p;
    return p;
}

/* The choice's last piece of this type that still grows, or a new one. */
static struct piece *piece_at(struct fold *f, enum part_type type, const struct chunk *c)
{
    for (size_t i = f->n; i-- > 0;) {
        struct piece *p = f->pieces[i];
        if (p->choice == c->choice && p->part.type != PART_TOOL_CALL) {
            if (p->part.type == type && !p->closed) {
                return p;
            }
            break;
        }
    }
    return piece_new(f, type, c);
}

static struct piece *tool_at(struct fold *f, const struct chunk *c)
{
    for (size_t i = f->n; i-- > 0;) {
        struct piece *p = f->pieces[i];
        if (p->choice == c->choice && p->part.type == PART_TOOL_CALL && p->tool == c->tool) {
            return p;
        }
    }
    return NULL;
}

static void grow(struct fold *f, enum part_type type, const struct chunk *c)
{
    struct piece *p = piece_at(f, type, c);
    if (p) {
        append(f, &p->text, c->text);
    }
}

static void take_signature(struct fold *f, const struct chunk *c)
{
    struct piece *p = c->tool >= 0 ? tool_at(f, c) : piece_at(f, PART_THINKING, c);
    if (p) {
        p->part.signature = copy(f, c->text);
        p->part.signature_family = c->family;
    }
}

static void take_media(struct fold *f, const struct chunk *c)
{
    struct piece *p = c->part ? piece_new(f, c->part->type, c) : NULL;
    if (!p) {
        return;
    }
    const struct part *from = c->part;
    p->part = *from;
    p->part.parts = NULL;
    p->part.n_parts = 0;
    p->part.citations = NULL;
    p->part.n_citations = 0;
    struct str *texts[] = {&p->part.text,         &p->part.id,
                           &p->part.name,         &p->part.arguments,
                           &p->part.signature,    &p->part.raw,
                           &p->part.media.url,    &p->part.media.data,
                           &p->part.media.text,   &p->part.media.name,
                           &p->part.media.format, &p->part.media.media_type,
                           &p->part.media.detail, &p->part.media.context,
                           &p->part.media.file_id};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = copy(f, *texts[i]);
    }
    append(f, &p->text, p->part.text);
    p->closed = true;
}

static void take_citation(struct fold *f, const struct chunk *c)
{
    struct piece *p = c->citation ? piece_at(f, PART_TEXT, c) : NULL;
    if (!p) {
        return;
    }
    struct part *part = &p->part;
    if (part->n_citations == p->citations_cap) {
        size_t cap = p->citations_cap ? 2 * p->citations_cap : 4;
        struct citation *list = arena_alloc(f->arena, cap * sizeof(*list));
        if (!list) {
            f->over = true;
            return;
        }
        if (part->n_citations) {
            memcpy(list, part->citations, part->n_citations * sizeof(*list));
        }
        part->citations = list;
        p->citations_cap = cap;
    }
    struct citation *to = &part->citations[part->n_citations++];
    *to = *c->citation;
    struct str *texts[] = {&to->url, &to->title, &to->cited_text, &to->source, &to->raw};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = copy(f, *texts[i]);
    }
}

static void take_audio(struct fold *f, const struct chunk *c)
{
    struct piece *p = piece_at(f, PART_AUDIO, c);
    if (!p) {
        return;
    }
    if (c->id.len && !p->part.id.len) {
        p->part.id = copy(f, c->id);
    }
    append(f, &p->text, c->text);
    append(f, &p->other, c->audio);
}

/* The elements of "content", joined; the brackets come at the end. */
static void take_logprobs(struct fold *f, const struct chunk *c)
{
    struct json_value object, content, one;
    size_t pos = 0;
    struct buffer *b = &f->logprobs[c->choice];
    if (!read_json(c->raw, &object) || !read_get(object, "content", &content)) {
        return;
    }
    while (json_next(content, &pos, NULL, &one)) {
        if (b->len) {
            append(f, b, STR_LIT(","));
        }
        append(f, b, one.raw);
    }
}

static void take_start(struct fold *f, const struct chunk *c)
{
    f->reply.id = copy(f, c->id);
    f->reply.model = copy(f, c->model);
    f->reply.created = c->created;
    f->reply.service_tier = copy(f, c->service_tier);
    f->reply.system_fingerprint = copy(f, c->system_fingerprint);
}

static void take_tool(struct fold *f, const struct chunk *c)
{
    struct piece *p = piece_new(f, PART_TOOL_CALL, c);
    if (p) {
        p->part.id = copy(f, c->id);
        p->part.name = copy(f, c->name);
    }
}

static void take_finish(struct fold *f, const struct chunk *c)
{
    struct chat_choice *choice = &f->choices[c->choice];
    choice->finish = c->finish;
    choice->finish_raw = copy(f, c->text);
    choice->stop_sequence = copy(f, c->stop_sequence);
}

static void close_pieces(struct fold *f, unsigned choice)
{
    for (size_t i = f->n; i-- > 0 && f->pieces[i]->choice == choice;) {
        f->pieces[i]->closed = true;
    }
}

static void take(struct fold *f, const struct chunk *c)
{
    struct piece *p;
    switch (c->type) {
    case CHUNK_START:
        take_start(f, c);
        break;
    case CHUNK_TEXT:
        grow(f, PART_TEXT, c);
        break;
    case CHUNK_REFUSAL:
        grow(f, PART_REFUSAL, c);
        break;
    case CHUNK_THINKING:
        grow(f, PART_THINKING, c);
        break;
    case CHUNK_SIGNATURE:
        take_signature(f, c);
        break;
    case CHUNK_REDACTED:
        p = piece_new(f, PART_REDACTED_THINKING, c);
        if (p) {
            p->part.signature = copy(f, c->text);
            p->part.signature_family = c->family;
        }
        break;
    case CHUNK_TOOL_BEGIN:
        take_tool(f, c);
        break;
    case CHUNK_TOOL_ARGUMENTS:
        p = tool_at(f, c);
        if (p) {
            append(f, &p->other, c->text);
        }
        break;
    case CHUNK_BREAK:
        close_pieces(f, c->choice);
        break;
    case CHUNK_MEDIA:
        take_media(f, c);
        break;
    case CHUNK_AUDIO:
        take_audio(f, c);
        break;
    case CHUNK_CITATION:
        take_citation(f, c);
        break;
    case CHUNK_LOGPROBS:
        take_logprobs(f, c);
        break;
    case CHUNK_FINISH:
        take_finish(f, c);
        break;
    default:
        break;
    }
}

void fold_chunk(struct fold *f, const struct chunk *c)
{
    if (c->choice >= CHOICES_MAX) {
        f->over = true;
    }
    if (f->over) {
        return;
    }
    if (c->usage) {
        usage_merge(&f->reply.usage, c->usage);
    }
    if (c->type != CHUNK_START && c->type != CHUNK_USAGE && c->type != CHUNK_PING &&
        c->type != CHUNK_END) {
        f->seen[c->choice] = true;
    }
    take(f, c);
}

static bool finish_piece(struct fold *f, struct piece *p)
{
    struct part *part = &p->part;
    part->text = p->text.ptr ? buffer_str(&p->text) : (struct str){"", 0};
    if (part->type == PART_TOOL_CALL) {
        part->arguments = arguments_of(f->arena, buffer_str(&p->other));
        return part->arguments.ptr != NULL;
    }
    if (part->type == PART_AUDIO && p->other.len) {
        part->media.data = buffer_str(&p->other);
    }
    return true;
}

static bool finish_choice(struct fold *f, unsigned index)
{
    struct chat_choice *choice = &f->choices[index];
    size_t cap = 0;
    choice->index = index;
    for (size_t i = 0; i < f->n; i++) {
        if (f->pieces[i]->choice != index) {
            continue;
        }
        struct part *to = part_add(f->arena, &choice->parts, &choice->n_parts, &cap);
        if (!to || !finish_piece(f, f->pieces[i])) {
            return false;
        }
        *to = f->pieces[i]->part;
    }
    struct buffer *b = &f->logprobs[index];
    if (b->len) {
        choice->logprobs =
            arena_printf(f->arena, "{\"content\":[%.*s],\"refusal\":null}", (int)b->len, b->ptr);
    }
    return true;
}

bool fold_reply(struct fold *f, struct chat_reply *ret)
{
    struct chat_choice *list = arena_alloc(f->arena, CHOICES_MAX * sizeof(*list));
    if (f->over || !list) {
        return false;
    }
    f->seen[0] = true; /* an answer without any content is one choice without parts */
    for (unsigned i = 0; i < CHOICES_MAX; i++) {
        if (!f->seen[i]) {
            continue;
        }
        if (!finish_choice(f, i)) {
            return false;
        }
        list[f->reply.n_choices++] = f->choices[i];
    }
    f->reply.choices = list;
    *ret = f->reply;
    return true;
}
