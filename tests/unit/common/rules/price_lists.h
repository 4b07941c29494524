/* Prices as their providers published them, in the form of price_list_parse: pico-USD per unit, so
 * 2500000 a token is 2.50 USD per million. For price_cases.h. */
#ifndef TESTS_UNIT_COMMON_RULES_PRICE_LISTS_H
#define TESTS_UNIT_COMMON_RULES_PRICE_LISTS_H

/* clang-format off */
/* OpenAI gpt-4o */
#define GPT_4O "{\"token_in\":2500000,\"token_out\":10000000,\"token_cached\":1250000}"
/* the same by batch, half */
#define GPT_4O_BATCH "{\"token_in\":1250000,\"token_out\":5000000}"
/* the same in the priority tier */
#define GPT_4O_PRIORITY "{\"token_in\":4250000,\"token_out\":17000000,\"token_cached\":2125000}"
/* OpenAI gpt-4o-mini */
#define GPT_4O_MINI "{\"token_in\":150000,\"token_out\":600000,\"token_cached\":75000}"
/* OpenAI gpt-4.1, searches at 25 USD a thousand */
#define GPT_41 "{\"token_in\":2000000,\"token_out\":8000000,\"token_cached\":500000,\"search\":25000000000}"
/* OpenAI gpt-4.1-nano */
#define GPT_41_NANO "{\"token_in\":100000,\"token_out\":400000,\"token_cached\":25000}"
/* OpenAI gpt-5, searches at 10 USD a thousand */
#define GPT_5 "{\"token_in\":1250000,\"token_out\":10000000,\"token_cached\":125000,\"search\":10000000000}"
/* the same in the flex tier */
#define GPT_5_FLEX "{\"token_in\":625000,\"token_out\":5000000,\"token_cached\":62500}"
/* the same in the priority tier */
#define GPT_5_PRIORITY "{\"token_in\":2500000,\"token_out\":20000000,\"token_cached\":250000}"
/* OpenAI gpt-5-nano */
#define GPT_5_NANO "{\"token_in\":50000,\"token_out\":400000,\"token_cached\":5000}"
/* OpenAI o3 */
#define O3 "{\"token_in\":2000000,\"token_out\":8000000,\"token_cached\":500000}"
/* OpenAI o4-mini */
#define O4_MINI "{\"token_in\":1100000,\"token_out\":4400000,\"token_cached\":275000}"
/* the same in the flex tier */
#define O4_MINI_FLEX "{\"token_in\":550000,\"token_out\":2200000,\"token_cached\":138000}"
/* OpenAI text-embedding-3-small */
#define EMBED_SMALL "{\"token_in\":20000}"
/* OpenAI text-embedding-3-large */
#define EMBED_LARGE "{\"token_in\":130000}"
/* OpenAI gpt-4o-audio-preview */
#define GPT_AUDIO "{\"token_in\":2500000,\"token_out\":10000000,\"audio_in\":40000000,\"audio_out\":80000000}"
/* OpenAI gpt-realtime */
#define REALTIME \
    "{\"token_in\":4000000,\"token_out\":16000000,\"token_cached\":400000,\"audio_in\":32000000," \
    "\"audio_out\":64000000,\"image_in\":5000000,\"audio_cached\":400000,\"image_cached\":500000}"
/* OpenAI gpt-image-1 */
#define GPT_IMAGE "{\"token_in\":5000000,\"token_cached\":1250000,\"image_in\":10000000,\"image_out\":40000000,\"image_cached\":2500000}"
/* OpenAI dall-e-3, 1024 by 1024 */
#define DALL_E "{\"image\":40000000000}"
/* the same, hd */
#define DALL_E_HD "{\"image\":80000000000}"
/* OpenAI whisper-1, 0.006 USD a minute */
#define WHISPER "{\"second\":100000000}"
/* OpenAI tts-1 */
#define TTS "{\"character\":15000000}"
/* OpenAI tts-1-hd */
#define TTS_HD "{\"character\":30000000}"
/* OpenAI sora-2, a second of 720p */
#define SORA "{\"second\":100000000000}"
/* Anthropic Claude Sonnet 4, long context above 200,000 tokens */
#define SONNET \
    "{\"token_in\":{\"price\":3000000,\"tiers\":[{\"above\":200000,\"price\":6000000}]}," \
    "\"token_out\":{\"price\":15000000,\"tiers\":[{\"above\":200000,\"price\":22500000}]}," \
    "\"token_cached\":{\"price\":300000,\"tiers\":[{\"above\":200000,\"price\":600000}]}," \
    "\"cache_write_5m\":{\"price\":3750000,\"tiers\":[{\"above\":200000,\"price\":7500000}]}," \
    "\"cache_write_1h\":{\"price\":6000000,\"tiers\":[{\"above\":200000,\"price\":12000000}]}," \
    "\"search\":10000000000}"
/* the same by batch, half */
#define SONNET_BATCH \
    "{\"token_in\":1500000,\"token_out\":7500000,\"token_cached\":150000,\"cache_write_5m\":1875000," \
    "\"cache_write_1h\":3000000}"
/* Anthropic Claude Opus 4 */
#define OPUS \
    "{\"token_in\":15000000,\"token_out\":75000000,\"token_cached\":1500000,\"cache_write_5m\":18750000," \
    "\"cache_write_1h\":30000000,\"search\":10000000000}"
/* Anthropic Claude Haiku 3.5 */
#define HAIKU "{\"token_in\":800000,\"token_out\":4000000,\"token_cached\":80000,\"cache_write_5m\":1000000,\"cache_write_1h\":1600000}"
/* Gemini 2.5 Pro, dearer above 200,000 tokens */
#define GEMINI_PRO \
    "{\"token_in\":{\"price\":1250000,\"tiers\":[{\"above\":200000,\"price\":2500000}]}," \
    "\"token_out\":{\"price\":10000000,\"tiers\":[{\"above\":200000,\"price\":15000000}]}," \
    "\"token_cached\":{\"price\":310000,\"tiers\":[{\"above\":200000,\"price\":625000}]},\"search\":35000000000}"
/* Gemini 1.5 Pro, dearer above 128,000 tokens */
#define GEMINI_15 \
    "{\"token_in\":{\"price\":1250000,\"tiers\":[{\"above\":128000,\"price\":2500000}]}," \
    "\"token_out\":{\"price\":5000000,\"tiers\":[{\"above\":128000,\"price\":10000000}]}," \
    "\"token_cached\":{\"price\":312500,\"tiers\":[{\"above\":128000,\"price\":625000}]}}"
/* Gemini 2.5 Flash */
#define GEMINI_FLASH "{\"token_in\":300000,\"token_out\":2500000,\"token_cached\":75000,\"audio_in\":1000000,\"audio_cached\":250000}"
/* Gemini 2.5 Flash-Lite */
#define GEMINI_LITE "{\"token_in\":100000,\"token_out\":400000,\"token_cached\":25000,\"audio_in\":300000,\"audio_cached\":75000}"
/* Imagen 3 */
#define IMAGEN "{\"image\":30000000000}"
/* Veo 2 */
#define VEO "{\"second\":500000000000}"
/* Mistral Large */
#define MISTRAL_LARGE "{\"token_in\":2000000,\"token_out\":6000000}"
/* Mistral OCR, a USD a thousand pages */
#define MISTRAL_OCR "{\"page\":1000000000}"
/* the same by batch */
#define MISTRAL_OCR_BATCH "{\"page\":500000000}"
/* Cohere Command A */
#define COMMAND_A "{\"token_in\":2500000,\"token_out\":10000000}"
/* Cohere Rerank 3.5, 2 USD a thousand searches */
#define COHERE_RERANK "{\"search\":2000000000}"
/* Cohere Embed 4 */
#define COHERE_EMBED "{\"token_in\":120000,\"image_in\":470000}"
/* Voyage multimodal-3, 0.60 USD a thousand million pixels */
#define VOYAGE_MULTIMODAL "{\"token_in\":120000,\"pixel\":600}"
/* DeepSeek chat */
#define DEEPSEEK "{\"token_in\":270000,\"token_out\":1100000,\"token_cached\":70000}"
/* the same at night, half */
#define DEEPSEEK_NIGHT "{\"token_in\":135000,\"token_out\":550000,\"token_cached\":35000}"
/* xAI Grok 4, dearer above 128,000 tokens */
#define GROK \
    "{\"token_in\":{\"price\":3000000,\"tiers\":[{\"above\":128000,\"price\":6000000}]}," \
    "\"token_out\":{\"price\":15000000,\"tiers\":[{\"above\":128000,\"price\":30000000}]},\"token_cached\":750000," \
    "\"search\":25000000000}"
/* Perplexity Sonar, a request at 5 USD a thousand */
#define SONAR "{\"token_in\":1000000,\"token_out\":1000000,\"request\":5000000000}"
/* Perplexity Sonar Pro */
#define SONAR_PRO "{\"token_in\":3000000,\"token_out\":15000000,\"request\":6000000000}"
/* Perplexity Sonar Deep Research: reasoning has a price of its own */
#define SONAR_RESEARCH "{\"token_in\":2000000,\"token_out\":8000000,\"token_reasoning\":3000000,\"search\":5000000000}"
/* Groq Llama 3.3 70B */
#define GROQ_LLAMA "{\"token_in\":590000,\"token_out\":790000}"
/* Groq Whisper, 0.111 USD an hour */
#define GROQ_WHISPER "{\"second\":30833333}"
/* Amazon Nova Pro */
#define NOVA_PRO "{\"token_in\":800000,\"token_out\":3200000,\"token_cached\":200000}"
/* a call, as relays sell pictures */
#define MIDJOURNEY "{\"request\":100000000000}"
/* the smallest price */
#define ONE_PICO "{\"token_in\":1}"
/* 500 pico-USD */
#define HALF_NANO "{\"token_in\":500}"
/* the largest price */
#define HUGE "{\"token_in\":18446744073709551615,\"token_out\":18446744073709551615}"
/* known to cost nothing */
#define FREE "{\"token_in\":0,\"token_out\":0}"
/* four tiers, one of them cheaper */
#define STEPS \
    "{\"token_in\":{\"price\":1000,\"tiers\":[{\"above\":10,\"price\":2000},{\"above\":20,\"price\":3000}," \
    "{\"above\":30,\"price\":500},{\"above\":40,\"price\":4000}]}}"
/* a price for every unit */
#define ALL \
    "{\"token_in\":1000000,\"token_out\":2000000,\"token_cached\":3000000,\"cache_write_5m\":4000000," \
    "\"cache_write_1h\":5000000,\"token_reasoning\":6000000,\"audio_in\":7000000,\"audio_out\":8000000," \
    "\"image\":15000000000,\"second\":16000000000,\"pixel\":17000000,\"request\":18000000000," \
    "\"search\":19000000000,\"image_in\":9000000,\"image_out\":10000000,\"audio_cached\":11000000," \
    "\"image_cached\":12000000,\"video_in\":13000000,\"character\":14000000,\"page\":20000000000}"
/* clang-format on */

#endif
