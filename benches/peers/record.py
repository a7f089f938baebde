"""All that was measured, as JSON in a directory: a file for each part, which outlives a run that takes only some of it."""

import json
import os

import footprint
import frames

# What tells one row of a part from the others.
KEYS = {"memory": ("scenario", "tunnel", "flows"), "veth": ("scenario",), "latency": ("kind",), "footprint": ("what",)}
PARTS = tuple(KEYS)
# Words by which rows are ordered, in their order.
ORDER = ("encap", "decap", "forward", "new", *frames.TUNNELS, "idle", "loaded", "by itself", footprint.RULE, footprint.FLOW)


def read(name, otherwise):
    """What a file has, or what stands for it when there is none."""
    if not os.path.exists(name):
        return otherwise
    with open(name, encoding="utf-8") as file:
        return json.load(file)


class Record:
    """The rows of each part, and what was skipped when it was taken last."""

    def __init__(self, directory):
        self.directory = directory
        self.rows = {part: read(f"{directory}/{part}.json", []) for part in PARTS}
        self.skipped = read(f"{directory}/skipped.json", {})

    def put(self, part, row, taken):
        """In the place of the row about the same. `taken`: of what (date, commit, machine), and how many samples."""
        rows, about = self.rows[part], name(part, row)
        row["taken"] = taken
        place = next((place for place, old in enumerate(rows) if name(part, old) == about), len(rows))
        rows[place : place + 1] = [row]
        rows.sort(key=lambda row: [ORDER.index(row[key]) if row[key] in ORDER else row[key] for key in KEYS[part]])

    def skip(self, part, what):
        """What this part lacks now."""
        self.skipped[part] = what

    def taken(self, part):
        """When and of what the rows are: each with the names of its rows, or with none where all are alike."""
        found = {}
        for row in self.rows[part]:
            found.setdefault((row["taken"]["of"], row["taken"]["samples"]), []).append(name(part, row))
        return [(of, samples, names if len(found) > 1 else []) for (of, samples), names in found.items()]

    def write(self):
        """Into the directory."""
        os.makedirs(self.directory, exist_ok=True)
        for part, found in {**self.rows, "skipped": self.skipped}.items():
            with open(f"{self.directory}/{part}.json", "w", encoding="utf-8") as file:
                file.write(json.dumps(found, indent=1) + "\n")


def name(part, row):
    """What a row is about, in words."""
    return " ".join(f"{row[key]:,}" if isinstance(row[key], int) else row[key] for key in KEYS[part])
