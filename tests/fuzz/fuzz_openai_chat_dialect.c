/* Chat completions in all directions; see openai_codec_rig.h. */
#include "openai_codec_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_codec(&openai_chat_codec, data, size);
    return 0;
}
