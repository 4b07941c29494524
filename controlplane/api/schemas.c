/* docs/schema/routing-config.schema.json, inside the binary, as openapi.c has docs/openapi.json:
 * editors check configs by it, so it needs no sign-in. */
#include "controlplane/api/resources.h"

__asm__(".pushsection .rodata\n"
        ".global weir_config_schema_begin\n"
        ".global weir_config_schema_end\n"
        "weir_config_schema_begin:\n"
        ".incbin \"controlplane/../docs/schema/routing-config.schema.json\"\n"
        "weir_config_schema_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char weir_config_schema_begin[], weir_config_schema_end[];

bool config_schema_call(struct call *c, struct error *err)
{
    (void)err;
    (void)buffer_append(&c->out, weir_config_schema_begin,
                        (size_t)(weir_config_schema_end - weir_config_schema_begin));
    return true;
}
