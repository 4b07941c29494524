/* docs/openapi.json, inside the binary: what describes the API is served by what it describes. The
 * assembler finds the file by the include root of this plane, whose link leads into the source
 * tree. */
#include "controlplane/api/resources.h"

#include "controlplane/http/reply.h"

__asm__(".pushsection .rodata\n"
        ".global weir_openapi_begin\n"
        ".global weir_openapi_end\n"
        "weir_openapi_begin:\n"
        ".incbin \"controlplane/../docs/openapi.json\"\n"
        "weir_openapi_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char weir_openapi_begin[], weir_openapi_end[];

bool openapi_call(struct call *c, struct error *err)
{
    (void)err;
    (void)buffer_append(&c->out, weir_openapi_begin,
                        (size_t)(weir_openapi_end - weir_openapi_begin));
    return true;
}
