/* A row per provider kind; see signer.h. */
#include "dataplane/signers/signer.h"

static const struct signer table[] = {
    {"openai", signer_bearer},
};

const struct signer *signer_for(struct str kind)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (str_eqz(kind, table[i].kind)) {
            return &table[i];
        }
    }
    return &table[0];
}
