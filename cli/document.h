/* A JSON document as a tree (jansson is included in document.c only). A `struct document` is any
 * value of the tree; the root is freed, parts are borrowed from it. Readers accept NULL and values
 * of other types: absent reads as empty. */
#ifndef CLI_DOCUMENT_H
#define CLI_DOCUMENT_H

#include "common/base/error.h"

struct document;

enum document_type {
    DOCUMENT_NULL = 0,
    DOCUMENT_BOOL,
    DOCUMENT_NUMBER,
    DOCUMENT_TEXT,
    DOCUMENT_LIST,
    DOCUMENT_OBJECT,
};

/* NULL with *err set (position in the text) when it is not one JSON value. */
struct document *document_parse(struct str text, struct error *err);
void document_free(struct document *d);
/* One line, names in the order they came in; heap, mem_free it. */
char *document_dump(const struct document *d);

enum document_type document_type(const struct document *d); /* NULL counts as null */
/* "data", "workspace.name": the member, NULL when absent. */
const struct document *document_get(const struct document *d, const char *path);
/* The same, of a document that the caller owns and wants to change. */
struct document *document_edit(struct document *d, const char *path);
/* Elements of a list or members of an object. */
size_t document_count(const struct document *d);
const struct document *document_at(const struct document *list, size_t i);
/* Members of an object in order: start with *pos NULL; false at the end. */
bool document_next(const struct document *object, const void **pos, const char **ret_name,
                   const struct document **ret);

/* The member's text; "" when absent or no text. Borrowed, NUL-terminated. */
const char *document_text(const struct document *d, const char *path);
int64_t document_integer(const struct document *d, const char *path); /* 0 when absent */
bool document_bool(const struct document *d, const char *path);
/* Any scalar as people read it ("" for null); a list of scalars joined by ", ". Heap. */
char *document_show(const struct document *d, const char *path);

/* Appends copies of the elements of list `from` to list `to`. */
void document_extend(struct document *to, const struct document *from);
/* Drops what stands behind the first n elements. */
void document_trim(struct document *list, size_t n);
void document_set_null(struct document *object, const char *name);

#endif
