/* The catalogue as an organization sees it: the installed file, everybody's rows over it, its own
 * rows over those; shared by the files of api/ that read and change it. */
#ifndef CONTROLPLANE_API_CATALOGUE_H
#define CONTROLPLANE_API_CATALOGUE_H

#include "common/rules/catalogue.h"
#include "controlplane/store/catalogue.h"

struct call;

struct catalogue_walk {
    const struct catalogue *installed; /* NULL: none */
    const struct catalogue_row *rows;  /* as catalogue_rows gives them */
    size_t n_rows, at, at_row;
    struct arena *arena;
};

struct catalogue_item {
    const struct catalogue_model *model; /* with all that was laid over it */
    const struct catalogue_row *everybody, *own;
};

/* Reads the rows; organization NULL: everybody's only. */
bool catalogue_walk_init(struct catalogue_walk *w, struct call *c, const struct uuid *organization,
                         struct error *err);
/* The next entry by provider and model, in byte order; false at the end. A row that cannot be read
 * is passed over. */
bool catalogue_walk_next(struct catalogue_walk *w, struct catalogue_item *ret);

#endif
