"""Who may include whom (docs/architecture.md, "Layers"), and which file is a library's one wrapper.

Reads source paths from standard input, prints each offence. A folder may include itself, common/, proto/ and the folders
named for it; a plane never includes the other.
"""
import re
import sys

# folder -> folders of its own plane that it may include
LAYERS = {
    "common/base": [],
    "common": ["common/base"],
    "common/rules": ["common", "common/base"],
    "proto": [],
    "controlplane/rules": [],
    "controlplane/fetch": [],
    "controlplane/secrets": ["controlplane/fetch", "controlplane/rules"],
    "controlplane/store": ["controlplane/rules", "controlplane/secrets"],
    "controlplane/snapshot": ["controlplane/store", "controlplane/secrets", "controlplane/rules"],
    "controlplane/ledger": ["controlplane/store", "controlplane/rules"],
    "controlplane/identity": ["controlplane/fetch", "controlplane/store", "controlplane/secrets", "controlplane/rules"],
    "controlplane/ingest": ["controlplane/ledger", "controlplane/store", "controlplane/rules"],
    "controlplane/jobs": ["controlplane/identity", "controlplane/ledger", "controlplane/store", "controlplane/secrets", "controlplane/rules"],
    "controlplane/channel": ["controlplane/snapshot", "controlplane/ingest", "controlplane/ledger", "controlplane/store", "controlplane/secrets", "controlplane/rules"],
    "controlplane/http": ["controlplane/identity", "controlplane/store", "controlplane/secrets", "controlplane/rules"],
    "controlplane/api": ["controlplane/http", "controlplane/fetch", "controlplane/identity", "controlplane/ledger", "controlplane/channel", "controlplane/store", "controlplane/secrets", "controlplane/rules"],
    "controlplane": ["controlplane/api", "controlplane/identity", "controlplane/ledger", "controlplane/http", "controlplane/channel", "controlplane/jobs", "controlplane/store",
                     "controlplane/secrets", "controlplane/rules"],
    "dataplane/canonical": [],
    "dataplane/net": ["dataplane/canonical"],
    "dataplane/routing": ["dataplane/net"],
    "dataplane/cache": ["dataplane/net"],
    "dataplane/limits": ["dataplane/net", "dataplane/snapshot", "dataplane/canonical"],
    "dataplane/snapshot": ["dataplane/canonical"],
    "dataplane/report": ["dataplane/snapshot", "dataplane/canonical"],
    "dataplane/upstream": ["dataplane/net"],
    "dataplane/signers": ["dataplane/canonical", "dataplane/snapshot", "dataplane/net"],
    "dataplane/dialects": ["dataplane/canonical", "dataplane/net"],
    "dataplane/standalone": ["dataplane/snapshot", "dataplane/report"],
    "dataplane/request": ["dataplane/canonical", "dataplane/snapshot", "dataplane/report", "dataplane/net", "dataplane/upstream", "dataplane/dialects", "dataplane/signers",
                          "dataplane/routing", "dataplane/cache", "dataplane/limits"],
    "dataplane/stream": ["dataplane/canonical", "dataplane/request", "dataplane/net", "dataplane/upstream", "dataplane/snapshot", "dataplane/report", "dataplane/dialects", "dataplane/routing", "dataplane/cache", "dataplane/limits"],
    "dataplane/stages": ["dataplane/canonical", "dataplane/request", "dataplane/stream", "dataplane/net", "dataplane/upstream", "dataplane/snapshot", "dataplane/report",
                         "dataplane/dialects", "dataplane/signers", "dataplane/routing", "dataplane/cache", "dataplane/limits"],
    "dataplane": ["dataplane/*"],
    "cli": [],
}
# The pipeline's table names the stages: a single file with a wider view.
EXCEPTIONS = {
    "dataplane/request/pipeline.c": ["dataplane/stages"],
}
# header -> the only files that may include it
WRAPPERS = {
    "openssl/": ["common/crypto.c", "common/tls.c", "common/x509.c", "common/jwt_keys.c"],
    "jwt.h": ["common/jwt.c"],
    "yaml.h": ["common/yaml.c"],
    "nng/": ["proto/link.c", "proto/link_client.c", "proto/link_server.c", "proto/link_internal.h"],
    "event2/": ["dataplane/net/loop.c"],
    "event.h": [],
    "pcre2.h": ["common/regex.c"],
    "hiredis/": ["dataplane/cache/redis.c", "dataplane/cache/redis_inside.h"],
    "nghttp2/": ["dataplane/net/http2_inside.h"],
    "microhttpd.h": ["controlplane/http/server.c", "deploy/demo_provider.c"],
    "jansson.h": ["controlplane/http/body.c", "cli/document.c", "deploy/demo_provider.c"],
    "libpq-fe.h": ["controlplane/store/"],
    "argon2.h": ["controlplane/secrets/password.c"],
    "curl/": ["cli/http.c", "controlplane/fetch/fetch.c"],
}


def main():
    for path in sys.stdin.read().split():
        if path.startswith(("tests/", "deploy/")):
            top = None
        else:
            top = path.rsplit("/", 1)[0]
            if top not in LAYERS:
                print(f"{path}: folder is not in tests/lint/layers.py")
                continue
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            m = re.match(r'\s*#\s*include\s+[<"]([^">]+)[">]', line)
            if not m:
                continue
            header = m.group(1)
            for prefix, allowed in WRAPPERS.items():
                if header.startswith(prefix) and not path.startswith("tests/") and not any(
                        path == a or (a.endswith("/") and path.startswith(a)) for a in allowed):
                    print(f"{path}:{number}: {header} may be included by {', '.join(allowed)} only")
            if top is None or "/" not in header:
                continue
            target = header.rsplit("/", 1)[0]
            if target == top or header.split("/")[0] not in ("common", "proto", "controlplane", "dataplane", "cli"):
                continue
            root, mine = header.split("/")[0], path.split("/")[0]
            if root == "common":
                ok = mine != "common" or target in LAYERS[top]
            elif root == "proto":
                ok = mine in ("controlplane", "dataplane", "proto")
            elif root != mine:
                ok = False
            else:
                allowed = LAYERS[top]
                extra = EXCEPTIONS.get(path, []) + EXCEPTIONS.get(top, [])
                ok = target in allowed or f"{root}/*" in allowed or target in extra or header in extra
            if not ok:
                print(f"{path}:{number}: {top} may not include {header}")


main()
