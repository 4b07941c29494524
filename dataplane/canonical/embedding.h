/* The neutral forms of embeddings, reranking and token counting; see chat.h for the conventions. */
#ifndef DATAPLANE_CANONICAL_EMBEDDING_H
#define DATAPLANE_CANONICAL_EMBEDDING_H

#include "dataplane/canonical/chat.h"

struct embedding_input {
    struct str text;   /* absent: tokens or media */
    struct str tokens; /* raw JSON array of token ids */
    struct media image;
    bool has_image;
};

struct embedding_request {
    enum family family;
    struct str model;
    struct embedding_input *inputs; /* at least one */
    size_t n_inputs;
    bool single;           /* the client sent one text, not a list */
    uint64_t dimensions;   /* 0: not said */
    struct str encoding;   /* "float", "base64", "int8" …; absent: not said */
    struct str input_type; /* Cohere's words: search_document, search_query, classification,
                              clustering; absent */
    struct str title;      /* Gemini's */
    struct str truncate;   /* "NONE", "START", "END"; absent */
    int normalize;         /* -1, 0, 1 */
    struct str user;
    struct extra *extras;
    size_t n_extras;
};

struct embedding_vector {
    struct str floats; /* raw JSON array of numbers, or */
    struct str base64; /* little-endian float32 */
};

struct embedding_reply {
    struct str id, model;
    struct embedding_vector *vectors; /* in the order of the inputs */
    size_t n_vectors;
    struct usage usage;
};

/* Fields of embeddings and reranking that a target may lack are named by the client's member name
 * itself: losses_add_name. */

struct rerank_request {
    enum family family; /* FAMILY_COHERE for Cohere's and Jina's form */
    struct str model, query;
    struct str *documents; /* texts; a document given as an object: its `text`, else its JSON */
    size_t n_documents;
    uint64_t top_n; /* 0: not said */
    uint64_t max_tokens_per_doc;
    bool return_documents;
    struct extra *extras;
    size_t n_extras;
};

struct rerank_result {
    uint64_t index;
    struct str score; /* JSON number text */
};

struct rerank_reply {
    struct str id, model;
    struct rerank_result *results; /* best first */
    size_t n_results;
    struct usage usage; /* searches: the provider's search units */
};

#endif
