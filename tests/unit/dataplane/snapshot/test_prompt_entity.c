/* Prompts and partials in a snapshot: what is decoded and compiled ahead, what a change takes
 * along, who sees them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/error.h"
#include "common/rules/prompt.h"
#include "common/rules/route_config.h"
#include "dataplane/snapshot/entities.h"
#include "dataplane/snapshot/root.h"

#define PROMPT 8
#define DOC "{\"messages\":[{\"role\":\"user\",\"content\":\"{{q}}\"}]}"

struct spec {
    unsigned n, organization, workspace, published;
    const char *name, *json, *need;
    unsigned versions;
    bool partial;
};

/* Version i has the document `json`; the first two are labelled "first" and "second". */
static struct str prompt_body(struct spec p)
{
    struct uuid id = id_of(PROMPT, p.n), org = id_of(1, p.organization), ws = id_of(2, p.workspace);
    Weir__Prompt m = WEIR__PROMPT__INIT;
    Weir__DocumentVersion v[8], *versions[8];
    Weir__DocumentLabel l[2], *labels[2];
    static const char *const names[2] = {"first", "second"};
    char *needs[] = {(char *)(uintptr_t)p.need};
    m.id = bytes_of_uuid(&id);
    m.organization_id = bytes_of_uuid(&org);
    if (p.workspace) {
        m.workspace_id = bytes_of_uuid(&ws);
    }
    m.name = (char *)(uintptr_t)p.name;
    m.published = p.published;
    m.partial = p.partial;
    m.n_needs = p.need ? 1 : 0;
    m.needs = needs;
    m.versions = versions;
    m.labels = labels;
    for (unsigned i = 0; i < p.versions; i++) {
        weir__document_version__init(&v[i]);
        v[i].number = i + 1;
        v[i].document_json = (char *)(uintptr_t)p.json;
        versions[m.n_versions++] = &v[i];
        if (i < 2) {
            weir__document_label__init(&l[i]);
            l[i].name = (char *)(uintptr_t)names[i];
            l[i].version = i + 1;
            labels[m.n_labels++] = &l[i];
        }
    }
    return packed(&m.base);
}

static void put(struct snapshot_builder *b, struct spec p)
{
    struct error err = ERROR_INIT;
    struct uuid id = id_of(PROMPT, p.n);
    struct str body = prompt_body(p);
    if (!snapshot_builder_put(b, PROMPT, &id, body, &err)) {
        fail_msg("put: %s", error_text(&err));
    }
    release(body);
}

static struct snapshot *finish(struct snapshot_builder *b)
{
    struct error err = ERROR_INIT;
    struct snapshot *s = snapshot_builder_finish(b, 1, &err);
    if (!s) {
        fail_msg("finish: %s", error_text(&err));
    }
    return s;
}

static const struct snap_document *named(const struct snapshot *s, unsigned organization,
                                         unsigned workspace, const char *name)
{
    struct uuid org = id_of(1, organization), ws = id_of(2, workspace);
    return snapshot_prompt(s, &org, &ws, str_of(name));
}

static uint64_t found(const struct snap_document *d, const char *reference)
{
    struct route_ref ref;
    assert_true(route_ref_parse(str_of(reference), &ref));
    const struct snap_version *v = snap_document_find(d, &ref);
    return v ? v->number : 0;
}

static void versions_are_read(void **state)
{
    (void)state;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, (struct spec){.n = 1,
                         .organization = 1,
                         .workspace = 2,
                         .published = 4,
                         .name = "ask",
                         .json = DOC,
                         .versions = 6});
    struct snapshot *s = finish(b);
    const struct snap_document *d = named(s, 1, 2, "ask");
    assert_non_null(d);
    assert_int_equal(d->n_versions, 6);
    assert_int_equal(d->published, 4);
    assert_false(d->partial || d->needs_unknown);
    assert_int_equal(found(d, "ask"), 4);
    assert_int_equal(found(d, "ask@5"), 5);
    assert_int_equal(found(d, "ask@7"), 0);
    assert_int_equal(found(d, "ask@latest"), 6);
    assert_int_equal(found(d, "ask@second"), 2);
    assert_int_equal(found(d, "ask@third"), 0);
    for (unsigned i = 0; i < 6; i++) { /* what has a name is compiled: labels, published, newest */
        const struct snap_version *v = &d->versions[i];
        bool ahead = i == 0 || i == 1 || i == 3 || i == 5;
        assert_true(str_eqz(v->json, DOC));
        assert_int_equal(v->prompt != NULL, ahead);
        assert_null(v->partial);
        assert_null(v->tree);
    }
    snapshot_unref(s);
}

static void partials_are_compiled_as_such(void **state)
{
    (void)state;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, (struct spec){.n = 1,
                         .organization = 1,
                         .published = 1,
                         .name = "rules",
                         .json = "{\"text\":\"{{x}}\"}",
                         .versions = 1,
                         .partial = true});
    put(b, (struct spec){.n = 2,
                         .organization = 1,
                         .name = "broken",
                         .json = "{\"messages\":{}}",
                         .versions = 1});
    put(b, (struct spec){.n = 3, .organization = 1, .name = "none"});
    struct snapshot *s = finish(b);
    const struct snap_document *d = named(s, 1, 0, "rules");
    assert_true(d->partial);
    assert_non_null(d->versions[0].partial);
    assert_null(d->versions[0].prompt);
    /* one that a newer control plane made is kept all the same, and one without a version too */
    d = named(s, 1, 0, "broken");
    assert_null(d->versions[0].prompt);
    assert_int_equal(found(d, "broken"), 0);
    assert_int_equal(found(d, "broken@latest"), 1);
    assert_int_equal(found(named(s, 1, 0, "none"), "none@latest"), 0);
    snapshot_unref(s);
}

static void workspaces_shadow_and_tenants_are_apart(void **state)
{
    (void)state;
    struct uuid org = id_of(1, 1), ws = id_of(2, 2), other = id_of(2, 3), id = id_of(PROMPT, 2),
                stranger = id_of(1, 9), shared = id_of(PROMPT, 1);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, (struct spec){.n = 1, .organization = 1, .name = "ask", .json = DOC, .versions = 1});
    put(b,
        (struct spec){
            .n = 2, .organization = 1, .workspace = 2, .name = "ask", .json = DOC, .versions = 2});
    put(b, (struct spec){.n = 3,
                         .organization = 9,
                         .name = "theirs",
                         .json = DOC,
                         .versions = 1,
                         .need = "telepathy"});
    struct snapshot *s = finish(b);
    assert_int_equal(named(s, 1, 2, "ask")->n_versions, 2);
    assert_int_equal(named(s, 1, 3, "ask")->n_versions, 1);
    assert_null(named(s, 9, 2, "ask"));
    assert_null(named(s, 1, 2, "theirs"));
    assert_true(named(s, 9, 5, "theirs")->needs_unknown);
    assert_non_null(snapshot_prompt_by_id(s, &org, &ws, &id));
    assert_null(snapshot_prompt_by_id(s, &org, &other, &id));
    assert_null(snapshot_prompt_by_id(s, &stranger, &ws, &id));
    assert_non_null(snapshot_prompt_by_id(s, &org, &other, &shared));
    assert_null(snapshot_config(s, &org, &ws, STR_LIT("ask")));
    snapshot_unref(s);
}

static void changes_replace_and_delete(void **state)
{
    (void)state;
    struct uuid id = id_of(PROMPT, 1);
    struct error err = ERROR_INIT;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, (struct spec){.n = 1, .organization = 1, .name = "ask", .json = DOC, .versions = 1});
    struct snapshot *one = finish(b);
    b = snapshot_builder_new(one);
    put(b, (struct spec){.n = 1, .organization = 1, .name = "renamed", .json = DOC, .versions = 2});
    struct snapshot *two = finish(b);
    assert_null(named(two, 1, 0, "ask"));
    assert_int_equal(named(two, 1, 0, "renamed")->n_versions, 2);
    assert_int_equal(named(one, 1, 0, "ask")->n_versions, 1); /* requests in flight keep theirs */
    b = snapshot_builder_new(two);
    snapshot_builder_delete(b, PROMPT, &id);
    struct snapshot *three = finish(b);
    assert_null(named(three, 1, 0, "renamed"));
    assert_int_equal(snapshot_count(three, PROMPT), 0);
    b = snapshot_builder_new(two);
    put(b, (struct spec){.n = 2, .organization = 1, .name = "renamed", .json = DOC, .versions = 1});
    assert_null(snapshot_builder_finish(b, 2, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    snapshot_unref(one);
    snapshot_unref(two);
    snapshot_unref(three);
}

static void what_is_no_prompt_is_refused(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid id = id_of(PROMPT, 1), other = id_of(PROMPT, 2);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    struct str body = prompt_body(
        (struct spec){.n = 1, .organization = 1, .name = "ask", .json = DOC, .versions = 1});
    assert_false(snapshot_builder_put(b, PROMPT, &other, body, &err));
    assert_false(snapshot_builder_put(b, PROMPT, &id, str_slice(body, 0, body.len - 3), &err));
    assert_false(snapshot_builder_put(b, PROMPT, &id, STR_LIT(""), &err));
    assert_non_null(strstr(error_text(&err), "prompt"));
    release(body);
    snapshot_builder_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_read),
        cmocka_unit_test(partials_are_compiled_as_such),
        cmocka_unit_test(workspaces_shadow_and_tenants_are_apart),
        cmocka_unit_test(changes_replace_and_delete),
        cmocka_unit_test(what_is_no_prompt_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
