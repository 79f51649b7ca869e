#!/usr/bin/env python3
"""Types of both clients, made of what the server says of itself: javascript/src/api.d.ts and
python/millrace_client/api.py. Run it when a shape of the API has changed; tests/clients holds what is
checked in against the server's document.

    millrace openapi | tools/clients/generate.py [FOLDER]        (FOLDER: tools/clients)
"""
import json
import keyword
import os
import re
import sys

NAME = re.compile(r"^[A-Za-z_$][\w$]*$")
MADE = "Made by tools/clients/generate.py of /openapi.json: not changed by hand."


def kinds(schema):
    named = schema.get("type")
    return [] if named is None else [named] if isinstance(named, str) else named


def component(schema):
    return schema["$ref"].rsplit("/", 1)[1]


# ---- TypeScript

PLAIN_TS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def members_ts(schema, indent):
    needed = schema.get("required", [])
    inner = "  " * (indent + 1)
    out = ["{"]
    for name, one in schema.get("properties", {}).items():
        told = name if NAME.match(name) else json.dumps(name)
        if "description" in one:
            out.append(f"{inner}/** {one['description']} */")
        out.append(f"{inner}{told}{'' if name in needed else '?'}: {type_ts(one, indent + 1)};")
    out.append("  " * indent + "}")
    return "\n".join(out)


def type_ts(schema, indent=0):
    if "$ref" in schema:
        return component(schema)
    if "oneOf" in schema:
        return " | ".join(type_ts(one, indent) for one in schema["oneOf"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    told = []
    for kind in kinds(schema):
        if kind == "array":
            item = type_ts(schema.get("items", {}), indent)
            told.append(f"({item})[]" if " | " in item else f"{item}[]")
        elif kind == "object":
            more = schema.get("additionalProperties")
            value = type_ts(more, indent) if isinstance(more, dict) else "any"
            told.append(members_ts(schema, indent) if schema.get("properties") else f"{{ [name: string]: {value} }}")
        else:
            told.append(PLAIN_TS[kind])
    return " | ".join(told) or "any"


def bodies(operation):
    """(what goes in or None, what comes out or None), as schemas."""
    def of(holder):
        content = (holder or {}).get("content", {}).get("application/json")
        return content and content["schema"]
    return of(operation.get("requestBody")), of(operation["responses"]["2XX"])


def typescript(document):
    out = [f"// {MADE}", ""]
    for name, schema in document["components"]["schemas"].items():
        shape = type_ts(schema)
        plain = shape.startswith("{\n") and shape.endswith("\n}") and " | " not in re.sub(r"(?s)\{.*\}", "", shape)
        out.append(f"export interface {name} {shape}" if plain else f"export type {name} = {shape};")
    out += ["", "/** Of each call, by \"METHOD /path\": what goes in and what comes out. */", "export interface Calls {"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            takes, gives = bodies(operation)
            out.append(f"  {json.dumps(method.upper() + ' ' + path)}: {{ body: {type_ts(takes, 1) if takes else 'undefined'}; "
                       f"answer: {type_ts(gives, 1) if gives else 'unknown'} }};")
    out += ["}", "export type Body<Call extends keyof Calls> = Calls[Call]['body'];",
            "export type Answer<Call extends keyof Calls> = Calls[Call]['answer'];", ""]
    return "\n".join(out)


# ---- Python

PLAIN_PY = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def type_py(schema):
    if "$ref" in schema:
        return component(schema)
    if "oneOf" in schema:
        return union(type_py(one) for one in schema["oneOf"])
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(repr(one) for one in schema['enum'])}]"
    told = []
    for kind in kinds(schema):
        if kind == "array":
            told.append(f"List[{type_py(schema.get('items', {}))}]")
        elif kind == "object":
            more = schema.get("additionalProperties")
            told.append(f"Dict[str, {type_py(more) if isinstance(more, dict) else 'Any'}]")
        else:
            told.append(PLAIN_PY[kind])
    return union(told)


def union(told):
    told = list(dict.fromkeys(told))
    return "Any" if not told else told[0] if len(told) == 1 else f"Union[{', '.join(told)}]"


def members_py(name, schema, needed, total):
    rows = [f"    {json.dumps(member)}: {json.dumps(type_py(one))}," for member, one in schema["properties"].items()
            if (member in schema.get("required", [])) == needed]
    return [f"{name} = TypedDict({json.dumps(name)}, {{", *rows, f"}}{'' if total else ', total=False'})"] if rows else []


def python(document):
    out = [f'"""Shapes of what the API takes and answers. {MADE}"""',
           "from typing import Any, Dict, List, Literal, TypedDict, Union", ""]
    names = []
    for name, schema in document["components"]["schemas"].items():
        assert not keyword.iskeyword(name), name
        names.append(name)
        if kinds(schema) != ["object"] or not schema.get("properties"):
            # Names that come further below are texts.
            out.append(f"{name} = {quoted(type_py(schema), document)}")
            continue
        needed = members_py(f"_{name}", schema, True, True)
        further = members_py(f"_{name}Further", schema, False, False)
        bases = ([f"_{name}"] if needed else []) + ([f"_{name}Further"] if further else [])
        out += ["", *needed, *further, "", f"class {name}({', '.join(bases)}):", "    pass", ""]
    out += ["", "__all__ = [", *(f"    {json.dumps(name)}," for name in names), "]", ""]
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(out))


def quoted(text, document):
    for name in document["components"]["schemas"]:
        text = re.sub(rf"(?<![\"\w]){name}(?![\"\w])", f'"{name}"', text)
    return text


def main():
    document = json.load(sys.stdin)
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for path, text in (("javascript/src/api.d.ts", typescript(document)), ("python/millrace_client/api.py", python(document))):
        whole = os.path.join(folder, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
