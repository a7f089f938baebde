"""What the tester has said, for scripts/conformance.

    conformance.py again OUT WORDS SUITE            the files of the suite that are to be asked again
    conformance.py table OUT WORDS PAGE SECONDS     the table, also into PAGE if it names one

OUT has score.json, and OUT/again-1, OUT/again-2, ... have what came of asking again. WORDS says why cases cannot pass.
"""

import collections
import fnmatch
import glob
import json
import os
import subprocess
import sys
import time

# The packet came back to the tester, whose own switch was not ready to tell of it: it answers barriers before it has taken flows up.
# So nothing was found out, and asking again is no second chance.
LOST = "Receiving timeout: increment in rx_packets in tester."


def reasons(path):
    with open(path) as file:
        lines = [line.rstrip("\n") for line in file]
    return [line.split("\t", 1) for line in lines if line and not line.startswith("#")]


def what(case):
    return f"{case['file']}: {case['case']}"


def reason(words, case):
    return next((text for pattern, text in words if fnmatch.fnmatchcase(what(case), pattern)), None)


def score(path):
    with open(path) as file:
        return {group: each["cases"] for group, each in json.load(file).items()}


def key(case):
    """Some descriptions stand in several files. Where rates are measured the sender's words, which differ, stand in the place of the title."""
    return (None if " asked): " in what(case) else case["file"]), case["case"]


def asked_again(out):
    """Of each case what the tester said of it when it was asked again, in order."""
    said = collections.defaultdict(list)
    for path in sorted(glob.glob(out + "/again-*/score.json")):
        for cases in score(path).values():
            for case in cases:
                said[key(case)].append(case)
    return said


def again(out, words, suite):
    titles, cases = {}, {}
    for path in glob.glob(suite + "/**/*.json", recursive=True):
        with open(path) as file:
            title, *tests = json.load(file)
        titles[title] = os.path.relpath(path, suite)
        cases.update({test["description"]: titles[title] for test in tests})
    said, files = asked_again(out), set()
    for case in (case for group in score(out + "/score.json").values() for case in group):
        answers = [case, *said[key(case)]]
        passed = any(answer["result"] == "OK" for answer in answers)
        # A machine that does much else is late at times, so each is asked once more; and those of which nothing was found out, again.
        if not passed and not reason(words, case) and (len(answers) == 1 or answers[-1]["detail"] == LOST):
            file = titles.get(case["file"]) or cases.get(case["case"])
            if not file:
                sys.exit(f"conformance: which file of the suite has {what(case)}?")
            files.add(file)
    print("\n".join(sorted(files)))


def table(out, words, page, seconds):
    said = asked_again(out)
    counts, failing, late = {}, [], []
    for name, cases in sorted(score(out + "/score.json").items()):
        first = name.removeprefix("of13-").split("_")[0].removesuffix(".json")
        count = counts.setdefault(first, [0, 0])
        for case in cases:
            answers = [case, *said[key(case)]]
            good = any(answer["result"] == "OK" for answer in answers)
            shown = what(case).split(" asked): ", 1)[-1].replace("|", "\\|")
            count[0] += 1
            count[1] += good
            if not good:
                failing.append((shown, answers[-1]["detail"].replace("|", "\\|"), reason(words, case)))
            elif case["result"] != "OK":
                late.append((shown, case["detail"]))
    lines = ["| group | cases | passed | failed |", "|---|---|---|---|"]
    for name in [group for group in ("action", "match", "group", "meter") if group in counts]:
        asked, good = counts[name]
        lines.append(f"| {name} | {asked} | {good} | {asked - good} |")
    asked, good = (sum(count[i] for count in counts.values()) for i in (0, 1))
    lines.append(f"| **all** | {asked} | {good} | {asked - good} |")
    if failing:
        lines += ["", "| case | what the tester says | why |", "|---|---|---|"]
        lines += [f"| {case} | {detail} | {why or '**not explained**'} |" for case, detail, why in failing]
    if late:
        lost = sum(detail == LOST for _, detail in late)
        lines += ["", f"Passed only when asked again ({lost} of them were lost by the tester):", ""]
        lines += ["- " + case for case, _ in late]
    print("\n".join(lines))
    if page:
        write(page, "\n".join(lines), int(seconds))
    unexplained = sum(why is None for _, _, why in failing)
    print(f"{good} passed, {asked - good} failed")
    if asked == 0 or unexplained:
        sys.exit(f"conformance: {unexplained} failures that scripts/conformance.words does not explain")


def write(page, lines, seconds):
    def said(*command):
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()

    commit, kernel = said("git", "rev-parse", "--short", "HEAD"), said("uname", "-r")
    head = f"{time.strftime('%Y-%m-%d')}, commit {commit}, Linux {kernel}, in {seconds // 60} minutes:"
    with open(page) as file:
        before, rest = file.read().split("<!-- table -->\n", 1)
    after = rest.split("<!-- /table -->", 1)[1]
    with open(page, "w") as file:
        file.write(before + "<!-- table -->\n\n" + head + "\n\n" + lines + "\n\n<!-- /table -->" + after)


if __name__ == "__main__":
    verb, out, words, *rest = sys.argv[1:]
    {"again": again, "table": table}[verb](out, reasons(words), *rest)
