"""Each row of the option tables stands in docs/configuration.md, with its environment name; and nothing there is stale."""
import re
import sys

TABLES = {"weir-control": "controlplane/cp_options.c", "weir-proxy": "dataplane/dp_options.c"}
doc = open("docs/configuration.md", encoding="utf-8").read()
for program, path in TABLES.items():
    m = re.search(r"^## %s\b.*?(?=^## |\Z)" % re.escape(program), doc, re.S | re.M)
    if not m:
        print(f"docs/configuration.md has no section '## {program}'")
        continue
    section = m.group(0)
    rows = re.findall(r'[({]\s*(?:\.name\s*=\s*)?"([a-z0-9-]+)",\s*(?:\.env\s*=\s*)?("WEIR_[A-Z0-9_]+"|NULL)', open(path, encoding="utf-8").read())
    if not rows:
        print(f"{path}: no option rows found")
    known = set()
    for name, env in rows:
        known.add(name)
        if f"`--{name}`" not in section:
            print(f"docs/configuration.md: {program} --{name} is not documented")
        elif env != "NULL" and env.strip('"') not in section:
            print(f"docs/configuration.md: {program} --{name}: {env} is not documented")
    for name in re.findall(r"^\|\s*`--([a-z0-9-]+)`", section, re.M):
        if name not in known and name not in ("help", "version", "config-file"):
            print(f"docs/configuration.md: {program} has no --{name}")
sys.exit(0)
