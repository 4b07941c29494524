/* What the commands on lists share: show one as a table, do something to one element of it. */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "cli/cli.h"
#include "cli/document.h"

enum row_kind {
    ROW_PLAIN = 0,
    ROW_TIME,   /* "2026-11-21T22:53:31.123Z" as "2026-11-21 22:53:31" */
    ROW_AGE,    /* a time as how long ago: "12s", "3h" */
    ROW_NUMBER, /* set to the right */
};

struct row_column {
    const char *title, *member; /* "name", "workspace.name" */
    enum row_kind kind;
};

/* columns end in a NULL title. */
void rows_print(struct cli *c, const struct document *list, const struct row_column *columns);
/* GET path (of this workspace, where it is not NULL), all pages, as JSON or as a table. */
int rows_list(struct cli *c, const char *path, const char *workspace,
              const struct row_column *columns);
/* POST "path/{id}verb" (verb: "/block") for the element that the command's argument names. */
int rows_act(struct cli *c, const char *path, const char *workspace, const char *noun,
             const char *verb, const char *done);
/* The id of the element that a word names, by id or name. */
#define ROW_ID_MAX 80
bool rows_find(struct cli *c, const char *path, const char *workspace, const char *noun,
               const char *word, char ret_id[static ROW_ID_MAX], struct error *err);
/* "path/{id}verb", e.g. verb "" or "/rotate"; body without pointer: none. *ret may be NULL. */
bool rows_call(struct cli *c, const char *method, const char *path, const char *id,
               const char *verb, struct str body, struct document **ret, struct error *err);
/* DELETE path/{id} of the element that the command's argument names. */
int rows_delete(struct cli *c, const char *path, const char *workspace, const char *noun);
/* Texts of cells, heap. now_ms: for ROW_AGE. */
char *row_text(const struct document *row, const struct row_column *column, uint64_t now_ms);

struct json_writer;
/* A text; nothing for NULL (key.c). */
void rows_put_text(struct json_writer *w, const char *name, const char *text);
/* "a\nb" as a list; nothing for NULL (key.c). */
void rows_put_lines(struct json_writer *w, const char *name, const char *lines);
/* "30d", "12h" from now on, or an RFC 3339 time (key.c). */
#define EXPIRY_MAX_MS 253402300800000u /* the year 10000 */
bool expiry_parse(struct str text, uint64_t now_ms, uint64_t *ret_ms);
/* A key with its secret, which stands alone on the output; the remark is for people (key.c). Frees
 * the key. */
int key_print_secret(struct cli *c, struct document *key, const char *remark, ...)
    __attribute__((format(printf, 3, 4)));

#endif
