/* Rows of providers with a dialect or an authentication of their own, the clouds, and what people
 * run themselves. Facts only; see provider.h. */
#include "common/rules/provider_endpoints.h"
#include "common/rules/provider_table.h"

/* Models that OpenAI serves by Responses alone. */
#define RESPONSES_ONLY                                                                    \
    "!o1-pro* !o3-pro* !gpt-5-pro* !gpt-5.*-pro* !gpt-5-codex* !gpt-5.*-codex* !codex-* " \
    "!*-deep-research* !computer-use*"

/* clang-format off */
static const struct provider_endpoint openai[] = {
    {API_CHAT, "/chat/completions", NULL, RESPONSES_ONLY},
    {API_RESPONSES, "/responses", NULL, NULL},
    {API_EMBEDDINGS, "/embeddings", NULL, NULL},
};

#define GEMINI_MODEL "/v1beta/models/{model}"
static const struct provider_endpoint gemini[] = {
    {API_GENERATE, GEMINI_MODEL ":generateContent", GEMINI_MODEL ":streamGenerateContent", NULL},
    {API_GEMINI_EMBED, GEMINI_MODEL ":{verb}", NULL, NULL},
    {API_GEMINI_COUNT, GEMINI_MODEL ":countTokens", NULL, NULL},
};

#define VERTEX "/v1/projects/{project}/locations/{location}"
#define VERTEX_GOOGLE VERTEX "/publishers/google/models/{model}"
#define VERTEX_ANTHROPIC VERTEX "/publishers/anthropic/models/"
static const struct provider_endpoint vertex[] = {
    {API_GENERATE, VERTEX_GOOGLE ":generateContent", VERTEX_GOOGLE ":streamGenerateContent",
     "!claude* !*/*"},
    {API_VERTEX_MESSAGES, VERTEX_ANTHROPIC "{model}:rawPredict",
     VERTEX_ANTHROPIC "{model}:streamRawPredict", "claude*"},
    /* open models of others: "meta/llama-4-…-maas" */
    {API_CHAT, VERTEX "/endpoints/openapi/chat/completions", NULL, "*/*"},
    {API_VERTEX_EMBED, VERTEX_GOOGLE ":predict", NULL, NULL},
    {API_GEMINI_COUNT, VERTEX_GOOGLE ":countTokens", NULL, "!claude* !*/*"},
    {API_MESSAGES_COUNT, VERTEX_ANTHROPIC "count-tokens:rawPredict", NULL, "claude*"},
};

#define BEDROCK_INVOKE "/model/{model}/invoke"
#define BEDROCK_INVOKE_STREAM "/model/{model}/invoke-with-response-stream"
static const struct provider_endpoint bedrock[] = {
    {API_CONVERSE, "/model/{model}/converse", "/model/{model}/converse-stream", NULL},
    {API_INVOKE_MESSAGES, BEDROCK_INVOKE, BEDROCK_INVOKE_STREAM, NULL},
    {API_TITAN_EMBED, BEDROCK_INVOKE, NULL, "*titan-embed*"},
    {API_BEDROCK_COHERE_EMBED, BEDROCK_INVOKE, NULL, "*cohere.embed*"},
    {API_BEDROCK_RERANK, BEDROCK_INVOKE, NULL, "*cohere.rerank* *amazon.rerank*"},
    {API_CONVERSE_COUNT, "/model/{model}/count-tokens", NULL, NULL},
};

static const struct provider_endpoint azure_v1[] = {
    {API_CHAT, "/openai/v1/chat/completions", NULL, NULL},
    {API_RESPONSES, "/openai/v1/responses", NULL, NULL},
    {API_EMBEDDINGS, "/openai/v1/embeddings", NULL, NULL},
};
#define AZURE_DEPLOYMENT "/openai/deployments/{model}"
#define AZURE_VERSION "?api-version={api_version}"
static const struct provider_endpoint azure_dated[] = {
    {API_CHAT, AZURE_DEPLOYMENT "/chat/completions" AZURE_VERSION, NULL, NULL},
    /* since 2025-03-01-preview only: a target that wants it says so */
    {API_RESPONSES, "/openai/responses" AZURE_VERSION, NULL, ON_DEMAND},
    {API_EMBEDDINGS, AZURE_DEPLOYMENT "/embeddings" AZURE_VERSION, NULL, NULL},
};
static const struct provider_endpoint foundry_v1[] = {
    {API_CHAT, "/openai/v1/chat/completions", NULL, "!claude*"},
    {API_MESSAGES, "/anthropic/v1/messages", NULL, "claude*"},
    {API_RESPONSES, "/openai/v1/responses", NULL, "!claude*"},
    {API_EMBEDDINGS, "/openai/v1/embeddings", NULL, NULL},
    {API_MESSAGES_COUNT, "/anthropic/v1/messages/count_tokens", NULL, "claude*"},
};
static const struct provider_endpoint foundry_dated[] = {
    {API_CHAT, "/models/chat/completions" AZURE_VERSION, NULL, "!claude*"},
    {API_MESSAGES, "/anthropic/v1/messages", NULL, "claude*"},
    {API_EMBEDDINGS, "/models/embeddings" AZURE_VERSION, NULL, NULL},
    {API_MESSAGES_COUNT, "/anthropic/v1/messages/count_tokens", NULL, "claude*"},
};

static const struct provider_endpoint cohere[] = {
    {API_COHERE_CHAT, "/v2/chat", NULL, NULL},
    {API_COHERE_EMBED, "/v2/embed", NULL, NULL},
    {API_RERANK, "/v2/rerank", NULL, NULL},
};
static const struct provider_endpoint ollama[] = {
    {API_OLLAMA_CHAT, "/api/chat", NULL, NULL},
    {API_OLLAMA_EMBED, "/api/embed", NULL, NULL},
};
static const struct provider_endpoint predibase[] = {
    {API_CHAT, "/{account_id}/deployments/v2/llms/{model}/v1/chat/completions", NULL, NULL},
};
static const struct provider_endpoint tgi[] = {
    {API_CHAT, "/chat/completions", NULL, NULL},
};
/* clang-format on */

static const struct provider_row azure_openai_dated =
    ROW("azure-openai", NULL, "Azure OpenAI", "", azure_dated,
        "https://learn.microsoft.com/azure/ai-foundry/openai/reference", .auth = AUTH_AZURE,
        .catalogue = "azure azure-openai openai");
static const struct provider_row azure_ai_dated =
    ROW("azure-ai", NULL, "Azure AI Foundry", "", foundry_dated,
        "https://learn.microsoft.com/rest/api/aifoundry/modelinference/", .auth = AUTH_AZURE,
        .headers = "anthropic-version: 2023-06-01", .params = "max_completion_tokens=max_tokens",
        .catalogue = "azure azure-ai azure-cognitive-services");

static const struct provider_row rows[] = {
    ROW("openai", NULL, "OpenAI", "https://api.openai.com/v1", openai,
        "https://platform.openai.com/docs/api-reference", .quirks = QUIRK_MAX_COMPLETION),
    ROW("anthropic", "claude", "Anthropic", "https://api.anthropic.com", messages_only,
        "https://docs.claude.com/en/api/messages", .auth = AUTH_HEADER, .auth_name = "x-api-key",
        .headers = "anthropic-version: 2023-06-01"),
    ROW("gemini", "google google-ai-studio google-gemini palm", "Google Gemini",
        "https://generativelanguage.googleapis.com", gemini,
        "https://ai.google.dev/api/generate-content", .auth = AUTH_HEADER,
        .auth_name = "x-goog-api-key", .catalogue = "google gemini google-ai-studio"),
    ROW("gemini-openai", "google-openai", "Google Gemini (OpenAI dialect)",
        "https://generativelanguage.googleapis.com/v1beta/openai", chat_embed,
        "https://ai.google.dev/gemini-api/docs/openai", .quirks = QUIRK_SYSTEM_ROLE,
        .catalogue = "google gemini"),
    ROW("vertex", "vertex-ai vertex_ai google-vertex google-vertex-ai", "Google Vertex AI",
        "https://{location}-aiplatform.googleapis.com", vertex,
        "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
        .auth = AUTH_GOOGLE,
        .catalogue = "google-vertex vertex google-vertex-anthropic google anthropic"),
    ROW("bedrock", "aws-bedrock amazon-bedrock bedrock-runtime aws", "Amazon Bedrock",
        "https://bedrock-runtime.{region}.amazonaws.com", bedrock,
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
        .auth = AUTH_SIGV4, .catalogue = "amazon-bedrock bedrock aws"),
    ROW("bedrock-mantle", "bedrock-openai", "Amazon Bedrock (OpenAI dialect)",
        "https://bedrock-mantle.{region}.api.aws/v1", chat_responses,
        "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html",
        .catalogue = "amazon-bedrock bedrock aws"),
    ROW("azure-openai", "azure azure_openai azureopenai", "Azure OpenAI", "", azure_v1,
        "https://learn.microsoft.com/azure/ai-foundry/openai/latest", .auth = AUTH_AZURE,
        .quirks = QUIRK_MAX_COMPLETION, .catalogue = "azure azure-openai openai",
        .dated = &azure_openai_dated),
    ROW("azure-ai", "azure-ai-inference azure_ai azure-ai-foundry azure-foundry",
        "Azure AI Foundry", "", foundry_v1,
        "https://learn.microsoft.com/azure/ai-foundry/foundry-models/concepts/endpoints",
        .auth = AUTH_AZURE, .headers = "anthropic-version: 2023-06-01",
        .catalogue = "azure azure-ai azure-cognitive-services", .dated = &azure_ai_dated),
    ROW("cohere", "cohere_chat cohereai", "Cohere", "https://api.cohere.com", cohere,
        "https://docs.cohere.com/reference/chat"),
    ROW("cohere-openai", "cohere-compat", "Cohere (OpenAI dialect)",
        "https://api.cohere.com/compatibility/v1", chat_embed,
        "https://docs.cohere.com/docs/compatibility-api",
        .params = "max_completion_tokens=max_tokens -logit_bias -top_logprobs -n "
                  "-parallel_tool_calls -user -metadata -store -service_tier",
        .quirks = QUIRK_SYSTEM_ROLE, .catalogue = "cohere"),
    ROW("oracle", "oci oracle-cloud", "Oracle Cloud Generative AI",
        "https://inference.generativeai.{region}.oci.oraclecloud.com/20231130/actions/v1",
        chat_responses, "https://docs.oracle.com/iaas/Content/generative-ai/oci-openai.htm",
        .params = "max_completion_tokens=max_tokens"),
    ROW("cloudflare", "workers-ai cloudflare-workers-ai workersai", "Cloudflare Workers AI",
        "https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1", chat_responses_embed,
        "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/",
        .params = "max_completion_tokens=max_tokens", .quirks = QUIRK_SYSTEM_ROLE,
        .catalogue = "cloudflare-workers-ai cloudflare"),
    ROW("databricks", "databricks-model-serving", "Databricks", "", chat_responses_embed,
        "https://docs.databricks.com/machine-learning/model-serving/score-foundation-models",
        .params = "max_completion_tokens=max_tokens", .quirks = QUIRK_SYSTEM_ROLE),
    ROW("snowflake", "cortex snowflake-cortex", "Snowflake Cortex",
        "https://{account_id}.snowflakecomputing.com/api/v2/cortex/v1", chat_only,
        "https://docs.snowflake.com/en/user-guide/snowflake-cortex/open_ai_sdk",
        .headers = "x-snowflake-authorization-token-type: PROGRAMMATIC_ACCESS_TOKEN",
        .params = "max_tokens=max_completion_tokens"),
    ROW("predibase", "predibase-serving", "Predibase", "https://serving.app.predibase.com",
        predibase, "https://docs.predibase.com/inference/openai-compatible",
        .params = "max_completion_tokens=max_tokens", .quirks = QUIRK_SYSTEM_ROLE),
    ROW("ollama", "ollama_chat", "Ollama", "http://127.0.0.1:11434", ollama,
        "https://docs.ollama.com/api/chat"),
    ROW("ollama-openai", "ollama-v1", "Ollama (OpenAI dialect)", "http://127.0.0.1:11434/v1",
        self_hosted, "https://docs.ollama.com/api/openai-compatibility",
        .params = "max_completion_tokens=max_tokens", .quirks = QUIRK_ADD_V1 | QUIRK_SYSTEM_ROLE,
        .catalogue = "ollama"),
    ROW("vllm", "hosted_vllm", "vLLM", "http://127.0.0.1:8000/v1", self_hosted,
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        .quirks = QUIRK_ADD_V1 | QUIRK_REASONING_CONTENT),
    ROW("sglang", "sgl", "SGLang", "http://127.0.0.1:30000/v1", self_hosted,
        "https://docs.sglang.ai/basic_usage/openai_api.html",
        .quirks = QUIRK_ADD_V1 | QUIRK_REASONING_CONTENT),
    ROW("llama.cpp", "llamacpp llama-cpp llama_cpp llamafile", "llama.cpp",
        "http://127.0.0.1:8080/v1", self_hosted,
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        .params = "max_completion_tokens=max_tokens",
        .quirks = QUIRK_ADD_V1 | QUIRK_REASONING_CONTENT | QUIRK_SYSTEM_ROLE),
    ROW("lm-studio", "lmstudio lm_studio", "LM Studio", "http://127.0.0.1:1234/v1", self_hosted,
        "https://lmstudio.ai/docs/developer/openai-compat",
        .params = "max_completion_tokens=max_tokens",
        .quirks = QUIRK_ADD_V1 | QUIRK_REASONING_CONTENT | QUIRK_SYSTEM_ROLE),
    ROW("tgi", "huggingface-tgi text-generation-inference", "Text Generation Inference",
        "http://127.0.0.1:3000/v1", tgi,
        "https://huggingface.co/docs/text-generation-inference/reference/api_reference",
        .params = "max_completion_tokens=max_tokens", .quirks = QUIRK_ADD_V1 | QUIRK_SYSTEM_ROLE),
    ROW("localai", "local-ai", "LocalAI", "http://127.0.0.1:8080/v1", chat_embed_rerank,
        "https://localai.io/features/text-generation/",
        .params = "max_completion_tokens=max_tokens", .quirks = QUIRK_ADD_V1 | QUIRK_SYSTEM_ROLE),
    ROW("triton", "nvidia-triton", "NVIDIA Triton (OpenAI frontend)", "http://127.0.0.1:9000/v1",
        chat_embed,
        "https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/"
        "client_guide/openai_readme.html",
        .params = "max_completion_tokens=max_tokens", .quirks = QUIRK_ADD_V1 | QUIRK_SYSTEM_ROLE),
    ROW("litellm", "litellm_proxy litellm-proxy", "LiteLLM proxy", "http://127.0.0.1:4000/v1",
        self_hosted, "https://docs.litellm.ai/docs/simple_proxy", .quirks = QUIRK_ADD_V1),
    ROW("custom", "openai-compatible openai_like custom_openai", "Custom", "", self_hosted,
        "https://platform.openai.com/docs/api-reference/chat"),
};

const struct provider_part provider_part_native = {rows, sizeof(rows) / sizeof(rows[0])};
