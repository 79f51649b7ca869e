#!/usr/bin/env python3
"""Manual pages, made of what the program itself says: millrace(1) of its --help, millrace.toml(5) of
its settings, millrace-TOPIC(7) of each page of `millrace help`.

    tools/packaging/man_pages.py BINARY FOLDER [DATE]
"""
import os
import re
import subprocess
import sys
import textwrap

BLANK = re.compile(r"^\s*$")


def escaped(text):
    """What roff would take for its own: backslashes and hyphens."""
    return text.replace("\\", "\\e").replace("-", "\\-")


def text_line(line):
    """A dot or a quote in front would be a request."""
    return "\\&" + line if line[:1] in (".", "'") else line


def inline(text):
    """Markdown inside a line: `code` and **bold**."""
    out = []
    for part in re.split(r"(`[^`]+`|\*\*.+?\*\*)", text):
        if part.startswith("`") and part.endswith("`") and len(part) > 2:
            out.append("\\fB" + escaped(part[1:-1]) + "\\fP")
        elif part.startswith("**") and len(part) > 4:
            out.append("\\fI" + escaped(part[2:-2]) + "\\fP")
        else:
            out.append(escaped(part))
    return "".join(out)


def cells(line):
    """Of a row of a table; \\| is no border, nor is one inside `code`."""
    row, cell, code = [], "", False
    for before, char in zip(" " + line, line.strip()):
        if char == "`":
            code = not code
        if char == "|" and not code and not cell.endswith("\\"):
            row.append(cell.strip())
            cell = ""
        else:
            cell += char
    return row[1:] + ([cell.strip()] if cell.strip() else [])


class Page:
    def __init__(self, name, section, about, date, version):
        self.lines = [f'.TH "{escaped(name.upper())}" "{section}" "{date}" "millrace {version}" "Millrace"',
                      ".SH NAME", f"{escaped(name)} \\- {inline(about)}"]

    def heading(self, text):
        self.lines.append(f'.SH "{escaped(text.upper())}"')

    def paragraph(self, text):
        self.lines += [".PP", *self.wrapped(text)]

    @staticmethod
    def wrapped(text):
        return [text_line(line) for line in textwrap.wrap(inline(text), 100, break_long_words=False,
                                                          break_on_hyphens=False)]

    def verbatim(self, lines):
        self.lines += [".PP", ".RS 4", ".nf", *(text_line(escaped(line)) for line in lines), ".fi", ".RE"]

    def item(self, tag, text):
        self.lines += [".TP", text_line(inline(tag)), *(self.wrapped(text) or ["\\&"])]

    def bullet(self, text):
        self.lines += [".IP \\(bu 2", *self.wrapped(text)]

    def table(self, rows):
        head, rest = rows[0], rows[2:]
        for row in rest:
            told = [row[1] if len(row) > 1 else ""]
            told += [f"{head[i].capitalize()}: {row[i]}" for i in range(2, len(row)) if row[i]]
            self.item(row[0], ". ".join(text.rstrip(".") for text in told if text) + ".")

    def text(self):
        return "\n".join(self.lines) + "\n"


def add_markdown(page, text):
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        begin = at
        if BLANK.match(line):
            at += 1
        elif line.startswith("```"):
            at += 1
            while at < len(lines) and not lines[at].startswith("```"):
                at += 1
            page.verbatim(lines[begin + 1:at])
            at += 1
        elif line.startswith("#"):
            page.heading(line.lstrip("# "))
            at += 1
        elif line.startswith("|"):
            while at < len(lines) and lines[at].startswith("|"):
                at += 1
            page.table([cells(row) for row in lines[begin:at]])
        elif line.startswith("    "):
            while at < len(lines) and (lines[at].startswith("    ") or BLANK.match(lines[at])):
                at += 1
            block = lines[begin:at]
            while BLANK.match(block[-1]):
                block.pop()
            page.verbatim([row[4:] for row in block])
        elif re.match(r"^[-*] ", line):
            at += 1
            while at < len(lines) and lines[at].startswith("  "):
                at += 1
            page.bullet(" ".join(row.strip() for row in [line[2:], *lines[begin + 1:at]]))
        else:
            while at < len(lines) and not re.match(r"^(\s*$|#|\||```|    |[-*] )", lines[at]):
                at += 1
            page.paragraph(" ".join(lines[begin:at]))


def topic_page(topic, text, date, version):
    title, _, rest = text.partition("\n")
    page = Page(f"millrace-{topic}", 7, title.lstrip("# "), date, version)
    page.heading("Description")
    add_markdown(page, rest)
    page.heading("See also")
    page.lines.append("\\fBmillrace\\fP(1), \\fBmillrace.toml\\fP(5)")
    return page.text()


def commands_of(help_text):
    """Of --help: each command with what it does, which may stand a line below, further in."""
    found = []
    inside = False
    for line in help_text.split("\n"):
        if re.match(r"^\S", line):
            inside = line.strip().lower().rstrip(":") == "subcommands"
        elif inside and (match := re.match(r"^  (\S+(?:, \S+)*)(?:\s{2,}(.*))?$", line)):
            found.append((match[1], match[2] or ""))
        elif inside and found and line.strip():
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}".strip())
    return found


FURTHER = [
    ("serve", "Runs the server: `millrace serve --config FILE`"),
    ("config", "What a server would be configured with: `check`, `show`"),
    ("bench", "How fast this machine is with it; `bench tune`, `bench compare`"),
    ("torture", "Whether this machine's disk keeps what was acknowledged"),
    ("test", "Tests of handlers in a folder"),
    ("restore", "A data folder of a backup"),
    ("verify", "Reads everything of a data folder or a backup, and checks it"),
    ("inspect", "What is in a data folder or a backup"),
    ("help", "Pages in the program, the same as the manual pages of section 7"),
]


def main_page(say, topics, date, version):
    page = Page("millrace", 1, "event engine: server and command line", date, version)
    page.heading("Synopsis")
    page.lines += ["\\fBmillrace\\fP \\fIcommand\\fP [\\fIarguments\\fP]", ".br",
                   "\\fBmillrace serve\\fP [\\fB\\-\\-config\\fP \\fIfile\\fP]"]
    page.heading("Description")
    page.paragraph("Events come in over HTTP and raw sockets, each is made durable before it is "
                   "acknowledged, compared with every subscription in one pass, and handled by Lua "
                   "scripts, webhooks, commands or workflows, with retries, dead letters and replay.")
    page.paragraph("`millrace serve` is the server; everything else is a client of one, at "
                   "`127.0.0.1:7070` unless `--server` or `MILLRACE_SERVER` names another. "
                   "`millrace COMMAND --help` tells of one command.")
    page.heading("Commands")
    known = commands_of(say("--help"))
    for names, what in known + [row for row in FURTHER if row[0] not in dict(known)]:
        page.item(", ".join(f"`{name}`" for name in names.split(", ")), what + ".")
    page.heading("Environment")
    page.item("`MILLRACE_SERVER`, `MILLRACE_API_KEY`, `MILLRACE_CA_FILE`, `MILLRACE_CONTEXT`",
              "The server that commands talk to, their key, whom they trust, or one of `millrace "
              "context list` that says all of it.")
    page.item("`MILLRACE_SECTION_KEY`", "A setting of the server, above its file: "
              "`MILLRACE_HTTP_LISTEN`, see `millrace.toml`(5).")
    page.heading("Exit status")
    page.item("`0`", "Done.")
    page.item("`1`", "Failed; what was to be checked is not as it should be.")
    page.item("`2`", "Asked for something that does not exist.")
    page.item("`70`", "The server's disk has failed; nothing that was acknowledged is lost, and a "
              "supervisor can start it again.")
    page.heading("Files")
    page.item("`/etc/millrace/millrace.toml`", "What the service is configured with.")
    page.item("`/var/lib/millrace`", "The service's data folder.")
    page.heading("See also")
    page.lines.append(", ".join(["\\fBmillrace.toml\\fP(5)"] +
                                [f"\\fB{escaped('millrace-' + t)}\\fP(7)" for t in topics]))
    return page.text()


def settings_page(toml, date, version):
    page = Page("millrace.toml", 5, "settings of the Millrace server", date, version)
    page.heading("Description")
    page.paragraph("A TOML file that `millrace serve --config` reads. The environment is above it, "
                   "flags (`--set key=value`) are above that. Durations have their unit (`500ms`, "
                   "`30s`, `1h`), sizes may have one (`64MiB`, `10GB`). `millrace config check` says "
                   "whether a server would start with a file, `millrace config show` what has said "
                   "what is not as it comes. Below are the sections with each key as it comes.")
    section, told = "", []
    for line in toml.split("\n"):
        if line.startswith("["):
            section = line.strip("[]")
            page.heading(section)
        elif line.startswith("# "):
            told.append(line[2:])
        elif line:
            page.item(f"`{section}.{line}`" if section else f"`{line}`", ". ".join(text.rstrip(".") for text in told) + ".")
            told = []
    page.heading("See also")
    page.lines.append("\\fBmillrace\\fP(1), \\fBmillrace\\-operation\\fP(7)")
    return page.text()


def main():
    binary, folder = sys.argv[1:3]
    date = sys.argv[3] if len(sys.argv) > 3 else ""

    def say(*arguments):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")}
        return subprocess.run([binary, *arguments], check=True, stdout=subprocess.PIPE,
                              env=clean).stdout.decode()

    version = say("--version").split()[-1]
    topics = say("help").split("topics:")[1].split("\n")[0].split()
    pages = {"millrace.1": main_page(say, topics, date, version),
             "millrace.toml.5": settings_page(say("serve", "--print-config"), date, version)}
    for topic in topics:
        pages[f"millrace-{topic}.7"] = topic_page(topic, say("help", topic), date, version)
    os.makedirs(folder, exist_ok=True)
    for name, text in pages.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
