/* What an answer cost in units, in one meaning for all dialects: `input` is every token of the
 * prompt (cached, cache-written, audio and image ones included), `output` every token made
 * (reasoning, audio and image included); the others are parts of these two. A dialect's decoder
 * adds up or takes apart what its provider counts differently; its encoder does the reverse. */
#ifndef DATAPLANE_CANONICAL_USAGE_H
#define DATAPLANE_CANONICAL_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct usage {
    bool found;        /* any number came from the provider */
    bool input_found;  /* … one for the input */
    bool output_found; /* … one for the output */
    bool estimated;    /* counted here, not by the provider */
    uint64_t input, output;
    uint64_t cached;                         /* part of input: read from a cache */
    uint64_t cache_write_5m, cache_write_1h; /* parts of input: written to a cache */
    uint64_t reasoning;                      /* part of output */
    uint64_t audio_in, audio_out, image_in, image_out, video_in; /* parts of input and output */
    uint64_t audio_cached, image_cached;                         /* parts of cached */
    uint64_t tool_input; /* part of input: results of built-in tools (Gemini) */
    uint64_t accepted_prediction, rejected_prediction; /* parts of output */
    uint64_t searches; /* built-in web searches; rerank's search units */
    uint64_t total;    /* as the provider says it; 0: it does not */
};

/* Later numbers replace earlier ones, field by field where the later one is not zero: a stream may
 * tell the input at its start and the output at its end. */
void usage_merge(struct usage *u, const struct usage *later);
uint64_t usage_total(const struct usage *u); /* total, or input + output */

#endif
