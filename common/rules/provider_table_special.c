/* Rows of providers without a chat API: vectors, images, 3D, and inference by one's own endpoints.
 * They serve native calls (/{provider}/…) with the stored key, and embeddings or rerank where they
 * have them in a known dialect. */
#include "common/rules/provider_endpoints.h"
#include "common/rules/provider_table.h"

/* Nothing in a dialect that can be translated. */
#define NATIVE_ROW(n, other, label, url, ...)                                                     \
    {                                                                                             \
        .name = (n), .aliases = (other), .title = (label), .base_url = (url), .docs = __VA_ARGS__ \
    }

static const struct provider_row rows[] = {
    ROW("voyage", "voyageai voyage-ai", "Voyage AI", "https://api.voyageai.com/v1", embed_rerank,
        "https://docs.voyageai.com/reference/embeddings-api", .quirks = QUIRK_VOYAGE),
    ROW("jina", "jina_ai jina-ai jinaai", "Jina AI", "https://api.jina.ai/v1", embed_rerank,
        "https://api.jina.ai/redoc"),
    NATIVE_ROW("nomic", "nomic-ai", "Nomic", "https://api-atlas.nomic.ai/v1",
               "https://docs.nomic.ai/reference/api/embed-text-v-1-embedding-text-post"),
    NATIVE_ROW("stability-ai", "stability stabilityai", "Stability AI", "https://api.stability.ai",
               "https://platform.stability.ai/docs/api-reference"),
    NATIVE_ROW("recraft-ai", "recraft recraftai", "Recraft", "https://external.api.recraft.ai/v1",
               "https://www.recraft.ai/docs/api-reference/endpoints"),
    NATIVE_ROW("segmind", "segmind-ai", "Segmind", "https://api.segmind.com/v1",
               "https://docs.segmind.com/", .auth = AUTH_HEADER, .auth_name = "x-api-key"),
    NATIVE_ROW("meshy", "meshy-ai", "Meshy", "https://api.meshy.ai", "https://docs.meshy.ai/"),
    NATIVE_ROW("tripo3d", "tripo", "Tripo 3D", "https://api.tripo3d.ai/v2/openapi",
               "https://platform.tripo3d.ai/docs/introduction"),
    NATIVE_ROW("replicate", "replicate-ai", "Replicate", "https://api.replicate.com/v1",
               "https://replicate.com/docs/reference/http"),
    NATIVE_ROW("sagemaker", "aws-sagemaker amazon-sagemaker", "Amazon SageMaker",
               "https://runtime.sagemaker.{region}.amazonaws.com",
               "https://docs.aws.amazon.com/sagemaker/latest/APIReference/"
               "API_runtime_InvokeEndpoint.html",
               .auth = AUTH_SIGV4),
    NATIVE_ROW("milvus", "zilliz", "Milvus", "",
               "https://milvus.io/api-reference/restful/v2.6.x/About.md"),
    NATIVE_ROW("qdrant", "qdrant-cloud", "Qdrant", "", "https://api.qdrant.tech/api-reference",
               .auth = AUTH_HEADER, .auth_name = "api-key"),
    NATIVE_ROW("pinecone", "pinecone-io", "Pinecone", "https://api.pinecone.io",
               "https://docs.pinecone.io/reference/api/introduction", .auth = AUTH_HEADER,
               .auth_name = "api-key"),
    NATIVE_ROW("elevenlabs", "eleven-labs", "ElevenLabs", "https://api.elevenlabs.io",
               "https://elevenlabs.io/docs/api-reference/introduction", .auth = AUTH_HEADER,
               .auth_name = "xi-api-key"),
    NATIVE_ROW("cartesia", "cartesia-ai", "Cartesia", "https://api.cartesia.ai",
               "https://docs.cartesia.ai/api-reference", .headers = "cartesia-version: 2025-04-16"),
    NATIVE_ROW("ideogram", "ideogram-ai", "Ideogram", "https://api.ideogram.ai",
               "https://developer.ideogram.ai/", .auth = AUTH_HEADER, .auth_name = "api-key"),
    NATIVE_ROW("scenario", "scenario-ai", "Scenario", "https://api.cloud.scenario.com/v1",
               "https://docs.scenario.com/"),
};

const struct provider_part provider_part_special = {rows, sizeof(rows) / sizeof(rows[0])};
