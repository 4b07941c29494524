/* Citations and log probabilities between Gemini's forms and the neutral ones; see
 * gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

#include <stdio.h>

#define CITATIONS_MAX 512 /* of one candidate */
#define CHUNKS_MAX 256    /* places that supports may point to */

struct cite_reader {
    struct arena *a;
    const struct part *parts;
    size_t n_parts;
    bool ascii;
    struct citation *list;
    size_t n;
    struct json_value chunks[CHUNKS_MAX];
    size_t n_chunks;
};

/* Characters in the first `bytes` bytes of a text. */
static int64_t characters(struct str text, uint64_t bytes)
{
    int64_t n = 0;
    for (size_t i = 0; i < text.len && i < bytes; i++) {
        n += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

/* Google counts bytes. */
static int64_t offset_of(const struct cite_reader *r, size_t part, uint64_t bytes)
{
    if (!r->parts) {
        return r->ascii && bytes < INT64_MAX ? (int64_t)bytes : -1;
    }
    while (part < r->n_parts && r->parts[part].type != PART_TEXT) {
        part++; /* the thoughts stand before the text that is meant */
    }
    if (part >= r->n_parts || bytes > r->parts[part].text.len) {
        return -1;
    }
    return characters(r->parts[part].text, bytes);
}

static struct citation *cite_add(struct cite_reader *r)
{
    if (r->n >= CITATIONS_MAX) {
        return NULL;
    }
    struct citation *c = &r->list[r->n++];
    *c = (struct citation){.start = -1,
                           .end = -1,
                           .document = -1,
                           .page_start = -1,
                           .page_end = -1,
                           .family = FAMILY_GEMINI};
    return c;
}

static void chunk_read(struct cite_reader *r, struct json_value chunk, struct citation *c)
{
    static const char *const kinds[] = {"web", "retrievedContext", "maps"};
    struct json_value place;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (gemini_get(chunk, kinds[i], &place)) {
            c->url = gemini_get_text(r->a, place, "uri");
            c->title = gemini_get_text(r->a, place, "title");
            c->cited_text = gemini_get_text(r->a, place, "text");
            return;
        }
    }
}

static void support_read(struct cite_reader *r, struct json_value support)
{
    struct json_value segment, indices, index;
    size_t pos = 0;
    bool placed = gemini_get(support, "segment", &segment);
    size_t part = placed ? (size_t)gemini_get_u64(segment, "partIndex") : 0;
    if (!gemini_get(support, "groundingChunkIndices", &indices)) {
        return;
    }
    while (json_next(indices, &pos, NULL, &index)) {
        uint64_t n = 0;
        struct citation *c = json_u64(index, &n) && n < r->n_chunks ? cite_add(r) : NULL;
        if (!c) {
            continue;
        }
        chunk_read(r, r->chunks[n], c);
        c->raw = support.raw;
        if (placed) {
            c->start = offset_of(r, part, gemini_get_u64(segment, "startIndex"));
            c->end = offset_of(r, part, gemini_get_u64(segment, "endIndex"));
            if (c->start < 0 || c->end < c->start) {
                c->start = c->end = -1;
            }
        }
    }
}

static void grounding_read(struct cite_reader *r, struct json_value g, size_t *ret_searches)
{
    struct json_value list, v;
    size_t pos = 0, before = r->n;
    if (gemini_get(g, "webSearchQueries", &list)) {
        while (json_next(list, &pos, NULL, &v)) {
            (*ret_searches)++;
        }
    }
    pos = 0;
    if (gemini_get(g, "groundingChunks", &list)) {
        while (r->n_chunks < CHUNKS_MAX && json_next(list, &pos, NULL, &v)) {
            r->chunks[r->n_chunks++] = v;
        }
    }
    pos = 0;
    if (gemini_get(g, "groundingSupports", &list)) {
        while (json_next(list, &pos, NULL, &v)) {
            support_read(r, v);
        }
    }
    for (size_t i = 0; r->n == before && i < r->n_chunks; i++) {
        struct citation *c = cite_add(r);
        if (c) {
            chunk_read(r, r->chunks[i], c);
            c->raw = r->chunks[i].raw;
        }
    }
}

/* Recitation: startIndex and endIndex in the whole text, "citationSources" or Vertex's "citations".
 */
static void sources_read(struct cite_reader *r, struct json_value meta)
{
    struct json_value list, v, at;
    size_t pos = 0, text = 0;
    if (!gemini_get(meta, "citationSources", &list) && !gemini_get(meta, "citations", &list)) {
        return;
    }
    while (text < r->n_parts && r->parts[text].type != PART_TEXT) {
        text++;
    }
    while (json_next(list, &pos, NULL, &v)) {
        struct citation *c = cite_add(r);
        if (!c) {
            return;
        }
        c->url = gemini_get_text(r->a, v, "uri");
        c->title = gemini_get_text(r->a, v, "title");
        c->raw = v.raw;
        if (gemini_get(v, "endIndex", &at)) {
            c->start = offset_of(r, text, gemini_get_u64(v, "startIndex"));
            c->end = offset_of(r, text, gemini_u64(at));
            if (c->start < 0 || c->end < c->start) {
                c->start = c->end = -1;
            }
        }
    }
}

size_t gemini_citations_read(struct json_value candidate, struct arena *a, const struct part *parts,
                             size_t n_parts, bool ascii, struct citation **ret,
                             size_t *ret_searches)
{
    struct json_member m[] = {{.name = STR_LIT("groundingMetadata")},
                              {.name = STR_LIT("citationMetadata")}};
    (void)gemini_members(candidate, m, 2);
    if (!m[0].found && !m[1].found) {
        return 0;
    }
    struct cite_reader *r = arena_zalloc(a, sizeof(*r));
    struct citation *list = r ? arena_alloc(a, CITATIONS_MAX * sizeof(*list)) : NULL;
    if (!list) {
        return 0;
    }
    *r = (struct cite_reader){
        .a = a, .parts = parts, .n_parts = n_parts, .ascii = ascii, .list = list};
    if (m[0].found) {
        grounding_read(r, m[0].value, ret_searches);
    }
    if (m[1].found) {
        sources_read(r, m[1].value);
    }
    *ret = list;
    return r->n;
}

/* ---- citations out ---- */

bool gemini_put_chunk(struct json_writer *w, const struct citation *c)
{
    if (!c->url.len && !c->title.len && !c->source.len) {
        return false;
    }
    json_object_begin(w);
    json_name(w, c->url.len ? "web" : "retrievedContext");
    json_object_begin(w);
    if (c->url.len) {
        json_field_str(w, "uri", c->url);
    }
    if (c->title.len || c->source.len) {
        json_field_str(w, "title", c->title.len ? c->title : c->source);
    }
    if (!c->url.len && c->cited_text.len) {
        json_field_str(w, "text", c->cited_text);
    }
    json_object_end(w);
    json_object_end(w);
    return true;
}

static uint64_t bytes_at(struct str text, int64_t character)
{
    int64_t n = 0;
    size_t i = 0;
    for (; i < text.len; i++) {
        if (((unsigned char)text.ptr[i] & 0xc0) != 0x80 && n++ == character) {
            break;
        }
    }
    return i;
}

void gemini_put_support(struct json_writer *w, struct str text, uint64_t before, size_t part,
                        const struct citation *c, size_t chunk)
{
    uint64_t start = bytes_at(text, c->start), end = bytes_at(text, c->end);
    json_object_begin(w);
    json_name(w, "segment");
    json_object_begin(w);
    if (part > 0) {
        json_field_u64(w, "partIndex", part);
    }
    if (before + start > 0) {
        json_field_u64(w, "startIndex", before + start);
    }
    json_field_u64(w, "endIndex", before + end);
    json_field_str(w, "text", str_slice(text, start, end > start ? end - start : 0));
    json_object_end(w);
    json_name(w, "groundingChunkIndices");
    json_array_begin(w);
    json_put_u64(w, chunk);
    json_array_end(w);
    json_object_end(w);
}

void gemini_put_grounding(struct json_writer *w, const struct part *parts, size_t n)
{
    size_t total = 0, placed = 0, chunk = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < parts[i].n_citations; k++) {
            const struct citation *c = &parts[i].citations[k];
            bool is_place = c->url.len || c->title.len || c->source.len;
            total += is_place;
            placed += is_place && c->start >= 0 && c->end >= c->start;
        }
    }
    if (total == 0) {
        return;
    }
    json_name(w, "groundingMetadata");
    json_object_begin(w);
    json_name(w, "groundingChunks");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < parts[i].n_citations; k++) {
            (void)gemini_put_chunk(w, &parts[i].citations[k]);
        }
    }
    json_array_end(w);
    if (placed > 0) {
        json_name(w, "groundingSupports");
        json_array_begin(w);
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < parts[i].n_citations; k++) {
                const struct citation *c = &parts[i].citations[k];
                bool is_place = c->url.len || c->title.len || c->source.len;
                if (is_place && c->start >= 0 && c->end >= c->start) {
                    gemini_put_support(w, parts[i].text, 0, i, c, chunk);
                }
                chunk += is_place;
            }
        }
        json_array_end(w);
    }
    json_object_end(w);
}

/* ---- log probabilities ---- */

static void put_token(struct json_writer *w, struct arena *a, struct json_value v)
{
    struct json_value p;
    struct str token = gemini_get_text(a, v, "token");
    json_field_str(w, "token", token.ptr ? token : STR_LIT(""));
    json_name(w, "logprob");
    if (gemini_get(v, "logProbability", &p) && p.type == JSON_NUMBER) {
        json_put_raw(w, p.raw);
    } else {
        json_put_u64(w, 0);
    }
    json_name(w, "bytes");
    json_array_begin(w);
    for (size_t i = 0; i < token.len; i++) {
        json_put_u64(w, (unsigned char)token.ptr[i]);
    }
    json_array_end(w);
}

struct str gemini_logprobs_read(struct json_value result, struct arena *a)
{
    struct json_value chosen, tops, one, top, candidates, v;
    struct buffer out;
    struct json_writer w;
    size_t pos = 0, top_pos = 0;
    bool has_tops = gemini_get(result, "topCandidates", &tops);
    if (!gemini_get(result, "chosenCandidates", &chosen) || chosen.type != JSON_ARRAY) {
        return STR_NONE;
    }
    buffer_init(&out, 64 * result.raw.len + 256);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, "content");
    json_array_begin(&w);
    while (json_next(chosen, &pos, NULL, &one)) {
        json_object_begin(&w);
        put_token(&w, a, one);
        json_name(&w, "top_logprobs");
        json_array_begin(&w);
        size_t at = 0;
        if (has_tops && json_next(tops, &top_pos, NULL, &top) &&
            gemini_get(top, "candidates", &candidates)) {
            while (json_next(candidates, &at, NULL, &v)) {
                json_object_begin(&w);
                put_token(&w, a, v);
                json_object_end(&w);
            }
        }
        json_array_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_name(&w, "refusal");
    json_put_null(&w);
    json_object_end(&w);
    struct str text = out.failed ? STR_NONE : arena_str(a, buffer_str(&out));
    buffer_release(&out);
    return text;
}

static void put_probability(struct json_writer *w, struct json_value v)
{
    struct json_value token, p;
    json_object_begin(w);
    if (read_get(v, "token", &token) && token.type == JSON_STRING) {
        json_name(w, "token");
        json_put_raw(w, token.raw);
    }
    if (read_get(v, "logprob", &p) && p.type == JSON_NUMBER) {
        json_name(w, "logProbability");
        json_put_raw(w, p.raw);
    }
    json_object_end(w);
}

void gemini_put_logprobs(struct json_writer *w, struct str logprobs)
{
    struct json_value v, content, one, tops, top;
    size_t pos = 0;
    if (!read_json(logprobs, &v) || !read_get(v, "content", &content) ||
        content.type != JSON_ARRAY) {
        return;
    }
    json_name(w, "logprobsResult");
    json_object_begin(w);
    json_name(w, "topCandidates");
    json_array_begin(w);
    while (json_next(content, &pos, NULL, &one)) {
        size_t at = 0;
        json_object_begin(w);
        json_name(w, "candidates");
        json_array_begin(w);
        if (read_get(one, "top_logprobs", &tops)) {
            while (json_next(tops, &at, NULL, &top)) {
                put_probability(w, top);
            }
        }
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
    json_name(w, "chosenCandidates");
    json_array_begin(w);
    pos = 0;
    while (json_next(content, &pos, NULL, &one)) {
        put_probability(w, one);
    }
    json_array_end(w);
    json_object_end(w);
}
