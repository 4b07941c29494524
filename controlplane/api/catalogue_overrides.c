/* An organization's own entries of the catalogue: its prices and limits for a model, laid over the
 * installed entry member by member; or a model that the catalogue does not know. */
#include "common/rules/catalogue.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/catalogue.h"
#include "controlplane/store/changes.h"

#define MODEL_MAX_BYTES 400

static const struct field fields[] = {
    FIELD_ORGANIZATION(CATALOGUE),
    {.name = "provider",
     .kind = FIELD_TEXT,
     .column = CATALOGUE_PROVIDER,
     .flags = FIELD_CREATE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 100},
    {.name = "model",
     .kind = FIELD_TEXT,
     .column = CATALOGUE_MODEL,
     .flags = FIELD_CREATE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = MODEL_MAX_BYTES},
    {.name = "entry",
     .kind = FIELD_OBJECT,
     .column = CATALOGUE_ENTRY,
     .flags = FIELD_WRITE | FIELD_REQUIRED,
     .max = 16384},
    FIELD_OWNED_BY(CATALOGUE),
    FIELD_ROW_TIMES(CATALOGUE),
};

static const char *const members[] = {"title",        "context",    "max_output",
                                      "capabilities", "input",      "output",
                                      "price",        "deprecated", NULL};

static bool prepare(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "entry");
    struct body_path here = {ch->at, "entry", 0}, in_price = {&here, "price", 0};
    struct catalogue_model m = {.priced = false};
    struct price_list prices;
    struct error why = ERROR_INIT;
    if (!v || v->type != BODY_OBJECT) {
        return true; /* refused, or not there to be changed */
    }
    if (!body_known(v, members, &here, err)) {
        return false;
    }
    if (v->n == 0) {
        return body_refuse(err, ch->at, "entry", "must say something");
    }
    const struct body_value *price = body_get(v, "price");
    if (price && price->type == BODY_OBJECT && !price_list_parse(price->text, &prices, &why)) {
        return body_refuse(err, &in_price, why.param[0] ? why.param : NULL, "%s", error_text(&why));
    }
    return catalogue_entry_read(v->text, ch->call->arena, &m, &why) ||
           body_refuse(err, &here, why.param[0] ? why.param : NULL, "%s", error_text(&why));
}

const struct resource catalogue_override_resource = {
    .kind = "catalogue_override",
    .prefix = "cato",
    .table = &catalogue_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .read = PERMISSION_MODEL_READ,
    .change_kind = CONFIG_CATALOGUE,
    .prepare = prepare,
};
