/* See usage.h. */
#include "dataplane/canonical/usage.h"

#include <stddef.h>

/* The counts, by their place in the struct: merging is the same for each. */
static const size_t counts[] = {
    offsetof(struct usage, input),
    offsetof(struct usage, output),
    offsetof(struct usage, cached),
    offsetof(struct usage, cache_write_5m),
    offsetof(struct usage, cache_write_1h),
    offsetof(struct usage, reasoning),
    offsetof(struct usage, audio_in),
    offsetof(struct usage, audio_out),
    offsetof(struct usage, image_in),
    offsetof(struct usage, image_out),
    offsetof(struct usage, video_in),
    offsetof(struct usage, audio_cached),
    offsetof(struct usage, image_cached),
    offsetof(struct usage, tool_input),
    offsetof(struct usage, accepted_prediction),
    offsetof(struct usage, rejected_prediction),
    offsetof(struct usage, searches),
    offsetof(struct usage, total),
};

void usage_merge(struct usage *u, const struct usage *later)
{
    u->found = u->found || later->found;
    u->input_found = u->input_found || later->input_found;
    u->output_found = u->output_found || later->output_found;
    u->estimated = u->estimated || later->estimated;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        const uint64_t *from = (const uint64_t *)(const void *)((const char *)later + counts[i]);
        uint64_t *to = (uint64_t *)(void *)((char *)u + counts[i]);
        if (*from) {
            *to = *from;
        }
    }
}

uint64_t usage_total(const struct usage *u)
{
    if (u->total) {
        return u->total;
    }
    return u->input > UINT64_MAX - u->output ? UINT64_MAX : u->input + u->output;
}
