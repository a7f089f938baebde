"""What was measured, as tables for people (RESULTS.md) and as plots; goals are those that were set before anything was measured."""


def short(number):
    """Three digits or so."""
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:.0f}"


def measured(ratio):
    """A ratio and its interval."""
    low, high = ratio["interval"]
    return f"{ratio['median']:.2f} ({low:.2f}–{high:.2f})"


def middle(values):
    """Median and quartiles."""
    low, high = values["quartiles"]
    return f"{short(values['median'])} [{short(low)}–{short(high)}]"


def verdict(reached, steady=True):
    """In one word."""
    if not steady:
        return "restless"
    return "PASS" if reached else "short"


def run_of(row):
    """Which rows are judged by one check."""
    taken = row.get("taken", {})
    return row["scenario"], taken.get("of"), taken.get("samples")


def in_memory(rows):
    """Rows 1 to 4."""
    if not rows:
        return []
    native = any("native" in row["mpps"] for row in rows)
    head = "| packets | tunnel | flows | Open vSwitch with DPDK, Mpps | its caches | adit, Mpps | ratio (95 %) | "
    head += "native build: ratio | " if native else ""
    lines = [head + "goal | |", "|---|---|--:|--:|---|--:|--:|" + ("--:|" if native else "") + "--:|---|"]
    # Each run checks itself, and is judged by nothing else.
    steady = {run_of(row): row["steady"] for row in rows if "steady" in row}
    for row in rows:
        ratio, goal = row["ratio"]["generic"], row["goal"]
        said = verdict(goal and ratio["median"] >= goal, steady.get(run_of(row), False)) if goal else "–"
        if "new" in row:
            said += f"; lost there {row['new']['theirs lost']:.0%}, here {row['lost']} packets"
        tunnel = row["tunnel"] if row["scenario"] in ("encap", "decap") else "–"
        cells = [row["scenario"], tunnel, f"{row['flows']:,}", middle(row["mpps"]["ovs-dpdk"]), row["cache"]]
        cells += [middle(row["mpps"]["generic"]), measured(ratio)]
        cells += [measured(row["ratio"]["native"]) if "native" in row["ratio"] else "–"] if native else []
        cells += [f"{goal}" if goal else "–", said]
        lines.append("| " + " | ".join(cells) + " |")
    checks = [f"{row['scenario']} {measured(row['same'])}" for row in rows if "same" in row]
    lines += ["", "The same program against itself, first row of each kind: " + ", ".join(checks) + ". *Restless*: that left 0.98 to 1.02."]
    return lines


def over_veth(rows):
    """Row 6."""
    lines = [
        "| packets | who | Mpps | adit to it (95 %) | user share of core 1 | offered for each that came out | goal | |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        for name, rate in row["mpps"].items():
            share = row["shares"][name]
            user = "–" if share["user"] is None else f"{share['user']:.1%}"
            cells = [row["scenario"], name, middle(rate), "", user, short(share["offered"]), "", ""]
            if name == "adit" and "ovs-afxdp" in row["mpps"]:
                cells[6:] = ["user share below ovs-afxdp's", verdict(share["user"] < row["shares"]["ovs-afxdp"]["user"])]
            if name in row["of"]:
                cells[3] = measured(row["of"][name])
            if name == "testpmd":
                cells[6:] = [str(row["goal"]), verdict(row["of"][name]["median"] >= row["goal"])]
            lines.append("| " + " | ".join(cells) + " |")
    return lines if rows else []


def ping_pong(rows):
    """Row 7."""
    lines = ["| | who | p50, µs | p99, µs | lost | other traffic, kpps | carried at most, kpps |", "|---|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        for name, times in row["us"].items():
            other = row["carried"][name] / 1000 if row["load"] else 0
            cells = [
                row["kind"],
                name,
                middle(times["p50"]),
                middle(times["p99"]),
                str(row["lost"][name]),
                f"{other:.0f}",
                f"{row['capacity'][name] / 1000:.0f}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    for row in rows:
        for quantile, best in row["of best"].items():
            word = verdict(best["ratio"]["median"] <= best["goal"])
            lines += ["", f"{row['kind']}, {quantile}: {measured(best['ratio'])} times {best['peer']}'s, the goal is {best['goal']}: {word}."]
    return lines if rows else []


def memory_of(rows):
    """Row 8."""
    lines = ["| memory | adit, bytes | Open vSwitch with DPDK, bytes | ratio | goal | |", "|---|--:|--:|--:|--:|---|"]
    for row in rows:
        ours, theirs = row["bytes"].values()
        word = verdict(row["ratio"] <= row["goal"])
        lines.append(f"| {row['what']} | {ours:,} | {theirs:,} | {row['ratio']:.2f} | {row['goal']} | {word} |")
    return lines if rows else []


TITLES = {
    "memory": ("In memory", "{} slices each", in_memory),
    "veth": ("Over veth", "{} slices each", over_veth),
    "latency": ("There and back", "{} portions each", ping_pong),
    "footprint": ("Memory", "", memory_of),
}


def tables(record):
    """Of everything that was ever taken: when, and the figures."""
    lines = []
    for part, (title, samples, table) in TITLES.items():
        for of, number, names in record.taken(part):
            words = [title + (f" ({'; '.join(names)})" if names else ""), of, samples.format(number)]
            lines += ["", ", ".join(filter(None, words)) + "."]
        lines += ["", *table(record.rows[part])]
        for what in record.skipped.get(part, []):
            lines += ["", f"{title}: {what}."]
    return lines


def plots(results):
    """Name of a file -> title, bars (label, value, low, high, goal), unit."""
    made = {}
    for scenario in ("encap", "decap", "forward", "new"):
        bars = []
        for row in results.get("memory", []):
            if row["scenario"] == scenario:
                ratio = row["ratio"]["generic"]
                label = f"{row['tunnel']}, {row['flows']:,} flows" if scenario in ("encap", "decap") else f"{row['flows']:,} flows"
                bars.append((label, ratio["median"], *ratio["interval"], row["goal"]))
        made[scenario] = f"{scenario} in memory: adit to Open vSwitch with DPDK", bars, "times as many packets"
    for row in results.get("veth", []):
        bars = [(name, rate["median"], *rate["quartiles"], None) for name, rate in row["mpps"].items()]
        made[f"veth-{row['scenario']}"] = f"{row['scenario']} from veth to veth, one core", bars, "Mpps"
    for row in results.get("latency", []):
        for quantile in ("p50", "p99"):
            bars = [(name, times[quantile]["median"], *times[quantile]["quartiles"], None) for name, times in row["us"].items()]
            made[f"ping-pong-{row['kind']}-{quantile}"] = f"UDP there and back, {row['kind']}, {quantile}", bars, "µs"
    bars = [(row["what"], row["ratio"], row["ratio"], row["ratio"], row["goal"]) for row in results.get("footprint", [])]
    made["memory"] = "memory: adit to Open vSwitch with DPDK", bars, "of the peer's bytes"
    return {name: plot for name, plot in made.items() if plot[1]}
