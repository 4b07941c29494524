/* generateContent and streamGenerateContent of the Gemini API (v1, v1beta) and of Vertex's google
 * publisher: one body, two doors. The functions are declared in gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

const struct chat_codec gemini_codec = {
    .family = FAMILY_GEMINI,
    .framing = FRAMING_SSE,
    .decode_request = gemini_decode_request,
    .encode_request = gemini_encode_request,
    .decode_reply = gemini_decode_reply,
    .encode_reply = gemini_encode_reply,
    .decoder_new = gemini_decoder_new,
    .decode_event = gemini_decode_event,
    .decode_end = gemini_decode_end,
    .encoder_new = gemini_encoder_new,
    .encode_chunk = gemini_encode_chunk,
};
