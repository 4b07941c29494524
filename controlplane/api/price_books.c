/* Price books (docs/prices.md): versioned documents, one book an organization. */
#include "common/rules/price_book.h"
#include "controlplane/api/documents.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "proto/snapshot.pb-c.h"

static const struct field fields[] = {DOCUMENT_FIELDS(validate_slug)};

static bool load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err)
{
    return document_load(c, &price_books_table, rows, n, ret, err);
}

/* Without its published version everything costs what the catalogue says: that is publishing, too.
 */
static bool removing(struct change *ch, struct error *err)
{
    return (ch->before.v[DOCUMENT_PUBLISHED].integer == 0 ||
            document_may_publish(ch, &price_book_document_kind, err)) &&
           document_removing(ch, err);
}

#define SHARED                                                                                 \
    .kind = "price_book", .prefix = "pbk", .table = &price_books_table, .fields = fields,      \
    .n_fields = sizeof fields / sizeof fields[0], .extras = document_extras,                   \
    .read = PERMISSION_PRICE_READ, .change_kind = WEIR__KIND__KIND_PRICE_BOOK, .shared = true, \
    .prepare = document_prepare, .stored = document_stored, .removing = removing

const struct resource price_book_resource = {SHARED, .load = load, .show = document_show};
static const struct resource quiet = {SHARED};

static bool check(struct str document, bool partial, struct arena *a, struct error *err)
{
    struct price_book *book;
    (void)partial;
    (void)a;
    if (!price_book_new(document, &book, err)) {
        return false;
    }
    price_book_free(book);
    return true;
}

static void describe(struct json_writer *w, struct str document, bool partial, struct arena *a)
{
    struct price_book *book;
    const struct str *tiers;
    struct error ignored = ERROR_INIT;
    (void)partial;
    (void)a;
    if (!price_book_new(document, &book, &ignored)) {
        return;
    }
    size_t n = price_book_tiers(book, &tiers);
    json_field_u64(w, "rules", price_book_rules(book));
    json_name(w, "service_tiers");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_put_str(w, tiers[i]);
    }
    json_array_end(w);
    price_book_free(book);
}

const struct document_kind price_book_document_kind = {
    .resource = &price_book_resource,
    .quiet = &quiet,
    .publish = PERMISSION_PRICE_PUBLISH,
    .document_max = PRICE_BOOK_MAX_DOCUMENT,
    .check = check,
    .root = "",
    .describe = describe,
    .of_organization = true,
};
