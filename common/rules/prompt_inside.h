/* Inside of common/rules/prompt*.c: a prompt as it is compiled. Nobody else includes this. */
#ifndef COMMON_RULES_PROMPT_INSIDE_H
#define COMMON_RULES_PROMPT_INSIDE_H

#include "common/rules/prompt.h"

/* JSON with templates in it, cut in pieces that are written one after another. */
enum piece_kind {
    PIECE_LITERAL = 0, /* as it stands */
    PIECE_STRING,      /* a template, as a string */
    PIECE_VALUE,       /* one interpolation: a list or an object itself, else as a string */
    PIECE_ELEMENT,     /* an element of the outermost list begins */
    PIECE_ITEMS,       /* elements: one interpolation of an object, or of a list of them */
    PIECE_DOCUMENT     /* a template of the whole JSON text */
};

struct prompt_piece {
    enum piece_kind kind;
    struct str literal;
    const struct mustache *template;
    struct str where; /* path in the document, for errors */
};

/* A member of the body. */
struct prompt_member {
    struct str name;
    const struct prompt_piece *pieces;
    size_t n;
};

struct prompt_variable {
    struct str name;
    struct json_value fallback; /* raw NULL ptr: none */
    bool required;
};

#define PROMPT_MAX_MEMBERS 128

struct prompt {
    struct str model, config;
    struct prompt_member *members;
    size_t n_members;
    struct prompt_variable *variables;
    size_t n_variables;
    bool has_defaults;
};

/* What one of the document's templated members may be. */
enum prompt_form {
    PROMPT_FORM_LIST = 1,
    PROMPT_FORM_OBJECT = 2,
    PROMPT_FORM_TEXT = 4,
    PROMPT_FORM_SOLE = 8,
    PROMPT_FORM_DOCUMENT = 16
};

struct prompt_compiler {
    struct arena *a;
    struct error *err;
    struct prompt *p;
    struct prompt_piece *pieces; /* of the member at hand */
    size_t n, cap;
    const char *flushed; /* the document's text up to here is in pieces */
    char path[120];
    bool messages; /* the member at hand: values stand for `content` alone */
};

/* Both return false, for returning. */
bool prompt_no_room(struct prompt_compiler *c);
bool prompt_wrong(struct prompt_compiler *c, const char *path, const char *what);
/* A template; faults are told with c->path. */
bool prompt_compile_text(struct prompt_compiler *c, struct str text, const struct mustache **ret);
/* A value as pieces behind those that c has: as it stands, or with templates in it. `forms`: which
 * of enum prompt_form it may have. */
bool prompt_pieces_raw(struct prompt_compiler *c, struct json_value v);
bool prompt_pieces_templated(struct prompt_compiler *c, const char *name, struct json_value v,
                             unsigned forms);

/* Decoded text; STR_NONE when it is no string or the arena is out of room. */
struct str prompt_text(struct arena *a, struct json_value v);

#endif
