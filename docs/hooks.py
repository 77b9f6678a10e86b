"""Fill the reference pages of the site from what they describe, while MkDocs builds it.

A page holds a marker such as `<!-- generated: config -->`, and may have a line in italics below it for whoever reads
the page unbuilt. At each build both are replaced by Markdown that is made from the schema, the table of sources, the
rules and the library's registries. Nothing generated is committed, so nothing can go stale. Of the library only the
modules of strategies are imported, which need nothing but Python; the rest is read as text (`ast`), so that the site
needs neither torch nor Snakemake.
"""

import ast
import csv
import re
import sys
import tomllib
from functools import lru_cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from neurograft.core.strategies import STRATEGIES  # noqa: E402 (the line above finds the library)
from neurograft.report.strategy_words import WORDS  # noqa: E402

LIBRARY = ROOT / "scripts" / "neurograft"
MARKER = re.compile(r"<!-- generated: ([a-z-]+) -->(?:\n\*.*\*$)?", re.MULTILINE)
# `all` stands under a condition
RULE = re.compile(r"^ {0,4}(?:rule|checkpoint) (\w+):\n((?:[ \t]+.*\n|\n)+)", re.MULTILINE)


class MissingPartError(Exception):
    """Something that a reference page is made from is not where it is looked for."""


def on_page_markdown(markdown, **_):
    """Replace every marker of a page (a hook of MkDocs)."""
    return MARKER.sub(lambda marker: generate(marker[1]), markdown)


def generate(name):
    """Write one generated part of the reference.

    Parameters
    ----------
    name : str
        A key of `PARTS`.

    Returns
    -------
    str
        Markdown.
    """
    if name not in PARTS:
        raise MissingPartError(f"unknown marker {name!r}; known are {', '.join(PARTS)}")
    return PARTS[name]()


def write_table(heads, rows):
    """Write a Markdown table; bars and line breaks in cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([" ".join(str(cell).replace("|", "\\|").split()) for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


# ---- the configuration, from its schema


def read_schema():
    """Read the schema of the config."""
    return yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))


def list_keys(schema, path=()):
    """List every key that holds a value, with its place and its part of the schema.

    Returns
    -------
    list of (str, dict, bool)
        Dotted name, schema, and whether the user must give it.
    """
    listed = []
    for key, inner in schema["properties"].items():
        if "properties" in inner:
            listed += list_keys(inner, (*path, key))
        else:
            listed.append((".".join((*path, key)), inner, key in schema.get("required", ())))
    return listed


def write_config():
    """Write every key of the config: one section a block, one table row a key."""
    schema, parts = read_schema(), []
    single = {key: inner for key, inner in schema["properties"].items() if "properties" not in inner}
    parts.append("## Top-level keys\n\n" + _key_table({**schema, "properties": single}, ""))
    for name, block in schema["properties"].items():
        if name not in single:
            parts += _write_block(name, block, level=2)
    return "\n\n".join(parts)


def _write_block(name, block, level):
    """Write a block of the config and the blocks within it."""
    own = {key: inner for key, inner in block["properties"].items() if "properties" not in inner}
    parts = [f"{'#' * level} `{name}`", block["description"]]
    if own:
        parts.append(_key_table({**block, "properties": own}, f"{name}."))
    for key, inner in block["properties"].items():
        if key not in own:
            parts += _write_block(f"{name}.{key}", inner, min(level + 1, 3))
    return parts


def _key_table(schema, prefix):
    """Tabulate the keys of one block."""
    rows = []
    for key, inner, needed in list_keys(schema):
        default = "*required*" if needed else f"`{_show(inner.get('default'))}`"
        rows.append([f"`{prefix}{key}`", describe_type(inner), default, inner["description"]])
    return write_table(["key", "type", "default", "meaning"], rows)


def write_card():
    """Write every field of the verdict card: one table for each level of the file."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/verdict_card.schema.yaml").read_text(encoding="utf-8"))
    question = schema["properties"]["questions"]["items"]
    levels = {"The card": schema, "A question": question, "An arm": question["properties"]["arms"]["items"]}
    return "\n\n".join(f"## {title}\n\n{_field_table(level)}" for title, level in levels.items())


def _field_table(schema):
    """Tabulate the fields of one level of the card; what lies within `versions` is named with it."""
    rows = []
    for name, inner in schema["properties"].items():
        listed = f": {', '.join(f'`{part}`' for part in inner['properties'])}" if "properties" in inner else ""
        rows.append([f"`{name}`", describe_type(inner) + listed, inner["description"]])
    return write_table(["field", "type", "meaning"], rows)


def _show(value):
    """Write a default as it would stand in a YAML file."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).strip()
    return text.removesuffix("...").strip() if value != "" else '""'


def describe_type(schema):
    """Put the type of a value and what it may be into a few words."""
    if "oneOf" in schema:
        return " or ".join(describe_type(choice) for choice in schema["oneOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{choice}`" for choice in schema["enum"])
    kinds = schema.get("type", "object")
    words = " or ".join(_describe_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds))
    return words + _describe_range(schema)


def _describe_kind(kind, schema):
    """Name one JSON type in plain words."""
    if kind == "array":
        items = schema.get("items", {})
        return f"list of {'blocks' if items.get('type') == 'object' else describe_type(items)}"
    return {"string": "text", "boolean": "true or false", "object": "mapping", "null": "nothing"}.get(kind, kind)


def _describe_range(schema):
    """Name the limits of a number, if it has any."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f", above {schema['exclusiveMinimum']}"
    if low is not None and high is not None:
        return f", {low} to {high}"
    return f", at least {low}" if low is not None else ""


# ---- the library's registries, read as text


@lru_cache
def _parse(path):
    """Read a module of the library as a syntax tree, once."""
    return ast.parse(path.read_text(encoding="utf-8"))


def _assigned(tree, name):
    """Give what a module assigns to a name at its top level, or None."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return getattr(node, "value", None)
    return None


def _functions(tree):
    """Give the functions of a module, and those that it imports from other modules of the library, by name."""
    known = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            inner = _imported_functions(node)
            known |= {alias.asname or alias.name: inner[alias.name] for alias in node.names if alias.name in inner}
        elif isinstance(node, ast.FunctionDef):
            known[node.name] = node
    return known


def _imported_functions(node):
    """Give the functions of the library's module that an import names; nothing where it is no module of it."""
    parts = (node.module or "").split(".")
    path = LIBRARY.joinpath(*parts[0 if node.level else 1 :]).with_suffix(".py")
    if not path.exists() or not (node.level or parts[0] == LIBRARY.name):
        return {}
    return {inner.name: inner for inner in _parse(path).body if isinstance(inner, ast.FunctionDef)}


def _read_rows(table, functions):
    """Give the rows of a registry: name to its function and its plain fields; None where a row has no function."""
    rows = {}
    for key, value in zip(table.keys, table.values, strict=True):
        names = [node.id for node in ast.walk(value) if isinstance(node, ast.Name) and node.id in functions]
        if not names or not isinstance(key, ast.Constant):
            return None
        rows[key.value] = (functions[names[0]], _read_fields(value))
    return rows


def _read_fields(value):
    """Give the plain fields of a row: those of a dict, or the keywords of a call."""
    if isinstance(value, ast.Dict):
        pairs = zip(value.keys, value.values, strict=True)
        return {field.value: one.value for field, one in pairs if isinstance(one, ast.Constant)}
    keywords = value.keywords if isinstance(value, ast.Call) else []
    return {word.arg: word.value.value for word in keywords if isinstance(word.value, ast.Constant)}


def read_registry(name, under=None):
    """Find a registry of the library: the dict of that name whose rows all name functions.

    Parameters
    ----------
    name : str
        Such as `METRICS`.
    under : str, optional
        Key of the dict within it that is wanted.

    Returns
    -------
    rows : dict of str to (ast.FunctionDef, dict)
        Name to function and plain fields.
    tree : ast.Module
        The module that it stands in.
    """
    for path in sorted(LIBRARY.rglob("*.py")):
        tree = _parse(path)
        table = _assigned(tree, name)
        if isinstance(table, ast.Dict) and under is not None:
            table = dict(zip([getattr(key, "value", None) for key in table.keys], table.values)).get(under)
            table = _assigned(tree, table.id) if isinstance(table, ast.Name) else table
        rows = _read_rows(table, _functions(tree)) if isinstance(table, ast.Dict) else None
        if rows:
            return rows, tree
    raise MissingPartError(f"no module of {LIBRARY} has a registry {name} whose rows are functions")


def _first_paragraph(function):
    """Give the first paragraph of a function's docstring on one line, without references to other code."""
    text = " ".join((ast.get_docstring(function) or "").split("\n\n")[0].split())
    return re.sub(r",? ?see `\w+`", "", re.sub(r" \(see `\w+`\)", "", text))


def _describe_parameters(function, rates):
    """List the parameters of a strategy, with their defaults."""
    names = [argument.arg for argument in function.args.args[1:]]
    given = function.args.defaults
    defaults = dict(zip(names[len(names) - len(given) :], map(ast.unparse, given), strict=True)) | rates
    return ", ".join(f"`{name}` {defaults[name]}" for name in names)


def write_strategies():
    """Tabulate the strategies: what each does, and its parameters with their defaults."""
    plans, _ = read_registry("PLANS")
    lines = []
    for name, row in STRATEGIES.items():
        parameters = _describe_parameters(plans[name][0], row.rates) if row.rates else ""
        lines.append([f"`{name}`", WORDS[name].sentence, parameters])
    return write_table(["strategy", "what it does", "parameters and their defaults"], lines)


def write_metrics():
    """Tabulate the metrics of both tasks."""
    parts = []
    for task in ("segmentation", "classification"):
        rows, _ = read_registry("METRICS", under=task)
        lines = [
            [f"`{name}`", _first_paragraph(function), fields.get("better") or "neither", fields.get("unit", "")]
            for name, (function, fields) in rows.items()
        ]
        parts.append(f"## {task.capitalize()}\n\n" + write_table(["metric", "meaning", "better", "unit"], lines))
    return "\n\n".join(parts)


def write_scores():
    """Tabulate the transferability scores."""
    rows, _ = read_registry("SCORES")
    lines = [[f"`{name}`", _first_paragraph(function), fields["needs"]] for name, (function, fields) in rows.items()]
    return write_table(["score", "meaning", "needs"], lines)


# ---- sources, targets and outputs


def write_sources():
    """Tabulate the pretrained sources."""
    with open(ROOT / "config/sources.tsv", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    cells = [
        [
            *(f"`{row['name']}`", f"{row['dimensions']}-D", row["backbone"], row["domain"], row["seen"]),
            *(_where(row), row["licence"]),
        ]
        for row in rows
    ]
    cited = "\n".join(f"- `{row['name']}`: {_link_doi(row['citation'])}" for row in rows)
    heads = ["source", "network", "backbone", "trained on", "sets of patients seen", "weights come from", "licence"]
    return f"{write_table(heads, cells)}\n\n## Works to cite\n\n{cited}"


def _where(row):
    """Say in plain words where the weights of a source come from."""
    location = row["location"]
    if location.startswith("wheel:"):
        return "the installation"
    if location.startswith("rule:"):
        return "made during the run"
    if location.startswith("manual:"):
        file, _, page = location.removeprefix("manual:").partition(" from ")
        return f"[by hand]({page}): `{file}`"
    return "fetched once" if location.startswith("http") else f"`{location}`"


def _link_doi(citation):
    """Turn the DOI at the end of a citation into a link."""
    text, _, doi = citation.partition(" doi:")
    return f"{text.rstrip('.')}. [doi:{doi}](https://doi.org/{doi})" if doi else text


def read_rules():
    """Read all rules of the workflow.

    Returns
    -------
    list of dict
        `name`, `file`, `about` (the docstring, or nothing), `outputs` (paths as they are written) and `target` (whether
        the rule writes nothing itself).
    """
    rules = []
    for path in [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]:
        for name, body in RULE.findall(path.read_text(encoding="utf-8")):
            about = re.match(r'\s+"""(.*?)"""', body, re.DOTALL)
            written = re.search(r"^    output:\n((?: {8}.*\n|\n)+)", body, re.MULTILINE)
            outputs = re.findall(r'"(results/[^"]*)"', written[1]) if written else []
            # of a formatted text the constant is the one name that it can hold
            outputs = [
                path.replace("{{", "{").replace("}}", "}").replace("{strategies.ENSEMBLE}", "ensemble")
                for path in outputs
            ]
            about = " ".join(about[1].split()) if about else ""
            rules.append({"name": name, "file": path, "about": about, "outputs": outputs, "target": not written})
    return rules


def write_targets():
    """Tabulate the targets of the command line: the rules that write nothing themselves."""
    targets = [rule for rule in read_rules() if rule["target"]]
    missing = [rule["name"] for rule in targets if not rule["about"]]
    if missing:
        raise MissingPartError(f"targets without a docstring: {', '.join(missing)}")
    # what is of one layout alone comes last
    targets.sort(key=lambda rule: (rule["about"].startswith("Layout "), rule["name"] != "all"))
    return write_table(["target", "what it makes"], [[f"`{rule['name']}`", rule["about"]] for rule in targets])


def write_outputs():
    """Tabulate what every rule writes, by the file that the rules stand in."""
    parts = {}
    for rule in read_rules():
        if rule["outputs"]:
            parts.setdefault(rule["file"], []).append(
                [f"`{rule['name']}`", "<br>".join(f"`{path}`" for path in rule["outputs"])]
            )
    titled = (
        f"### {path.stem.capitalize()}\n\n{write_table(['rule', 'writes'], rows)}" for path, rows in parts.items()
    )
    return "\n\n".join(titled)


# ---- the library, room by room


def write_rooms():
    """Tabulate the modules of every room, from the top floor down: what each is for, and the test that covers it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = [room.strip() for layer in layers for room in layer.split("|")]
    return "\n\n".join(f"### `{room}`\n\n{_room_table(room)}" for room in rooms)


def _room_table(room):
    """Tabulate the modules of one room."""
    rows = []
    for path in sorted((LIBRARY / room).rglob("*.py")):
        name = path.relative_to(LIBRARY).with_suffix("")
        about = (ast.get_docstring(_parse(path)) or "").split("\n")[0]
        test = Path("tests", name.parent, f"test_{name.name}.py")
        if path.name != "__init__.py":
            rows.append([f"`{name.relative_to(room)}`", about, f"`{test}`" if (ROOT / test).exists() else ""])
    return write_table(["module", "what it is for", "test"], rows)


PARTS = {
    "rooms": write_rooms,
    "config": write_config,
    "card": write_card,
    "strategies": write_strategies,
    "metrics": write_metrics,
    "scores": write_scores,
    "sources": write_sources,
    "targets": write_targets,
    "outputs": write_outputs,
}
