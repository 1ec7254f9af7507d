"""Lays out the files of a new driver (both halves) or of a new guest program, which build at once and do something small.

Usage: python3 -m tools.new.lay_out driver|guest NAME
The templates are in tools/new/driver and tools/new/guest. A file's first line there names where it goes; @name@, @Name@ and
@NAME@ stand for the name.
"""

import re
import sys
from pathlib import Path

TEMPLATES = Path(__file__).parent
KINDS = {"driver": "make new-driver NAME=clock", "guest": "make new-guest NAME=clock"}
# Words that cannot be a namespace or a type of device of one's own.
TAKEN = {"block", "console", "net", "guest", "xenbus", "programs", "lib", "vbd", "vif", "vkbd", "vfb", "pci", "xylem", "abi",
         "backends", "frontends", "test", "tests", "class", "new", "delete", "int", "char", "short", "long", "float", "double",
         "void", "bool", "auto", "union", "struct", "enum", "switch", "case", "default", "if", "else", "for", "while", "do",
         "return", "goto", "this", "throw", "try", "catch", "true", "false", "const", "static", "using", "namespace",
         "operator", "public", "private", "protected", "template", "typename", "virtual", "friend", "inline", "export"}


def complaint(kind, name):
    """Why NAME cannot be, or nothing."""
    example = f"for instance {KINDS[kind]}"
    if not name:
        return f"NAME is missing: {example}"
    if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", name):
        return f"NAME={name} is no name: expected up to 16 small letters and digits, a letter first, {example}"
    if name in TAKEN:
        return f"NAME={name} is taken: choose another, {example}"
    return None


def sorted_includes(text):
    """Each block of includes in the order of their names, which depends on NAME."""
    return re.sub(r'(?:#include "[^\n]*\n)+', lambda block: "".join(sorted(block[0].splitlines(True))), text)


def files(kind, name):
    """(where to, text) of each file."""
    words = {"@name@": name, "@Name@": name.capitalize(), "@NAME@": name.upper()}
    for template in sorted((TEMPLATES / kind).iterdir()):
        text = template.read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        place, text = text.split("\n", 1)
        yield Path(place), sorted_includes(text)


def main():
    kind, name = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    why = complaint(kind, name)
    if why:
        sys.exit(f"new-{kind}: {why}")
    made = list(files(kind, name))
    there = [str(place) for place, _ in made if place.exists()]
    if there:
        sys.exit(f"new-{kind}: {', '.join(there)}: there already; choose another NAME, or remove what is there")
    for place, text in made:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        print(f"  {place}")
    goals = {"driver": f"make build/bin/xylem-{name}back build/tests/unit/{name} build/guests/try{name}.elf",
             "guest": f"make build/guests/{name}.elf"}
    print(f"They build: {goals[kind]}\nWhat next: docs/writing-a-driver.md")


if __name__ == "__main__":
    main()
