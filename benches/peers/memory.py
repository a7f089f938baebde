"""What goes through memory only: encapsulation, decapsulation, forwarding, and flows that are all new. One core, 64-byte frames.

Ours is `bench-replay`; the peer is Open vSwitch with DPDK, whose packets come out of captures that it plays from memory (net_pcap,
infinite_rx) and go to a port that forgets them (net_null), with whichever of its caches serves it best. Both copy each packet once, 32 at a time.
"""

import os
import struct
import subprocess

import frames
from openvswitch import DPDK, POLLING, OpenVSwitch
from pairs import SLICE, Contender, Slices, ratio, same, spread
from processes import MEASURED, first, hugepages, until

FLOWS = (1, 10_000, 100_000, 1_000_000)
# The ratios that were wished for, by scenario and number of flows.
GOALS = {
    "encap": dict(zip(FLOWS, (2.5, 3.8, 4.2, 4.0))),
    "decap": dict(zip(FLOWS, (3.5, 6.0, 5.0, 5.0))),
    "forward": dict(zip(FLOWS, (2.5, 4.3, 4.8))),
    "new": {1_000_000: 20.0},
}
NEEDS = {DPDK: "openvswitch-switch-dpdk"}
DRIVERS = {"librte_net_pcap.so": "librte-net-pcap23", "librte_net_null.so": "librte-net-null23"}
# Open vSwitch looks its flows over in a thread of its own meanwhile; it gets time for that.
NEW_SLICE = 0.4
CACHES = ("emc", "smc", "none")
# A port that plays a capture keeps all its packets in buffers, and a pool of Open vSwitch has 262,144 of them. A million flows come from four
# ports, each with a pool of its own, whose size goes by the queues that are asked for, not by those that there are.
PARTS, PARTED = 4, 200_000
OWN_POOLS = ("options:n_rxq=64", "options:n_rxq_desc=4096")
# In MiB: what a pool takes, and some more for all that is there once.
POOL, ONCE = 850, 300


def missing():
    """Packages without which there is no peer."""
    lacking = [package for file, package in NEEDS.items() if not os.path.exists(file)]
    directories = [path for path, _, _ in os.walk("/usr/lib") if "dpdk" in path]
    files = {file for path in directories for file in os.listdir(path)}
    lacking += [package for driver, package in DRIVERS.items() if not any(file.startswith(driver) for file in files)]
    return lacking


class Replay(Contender):
    """Our worker over a capture in memory."""

    def __init__(self, scratch, program, name, rules, scenario, tunnel, captures, places=None):
        self.counts = f"{scratch.directory}/{name}.counts"
        with open(f"{scratch.directory}/{name}.rules", "w", encoding="utf-8") as file:
            file.write(rules)
        source = "uplink" if scenario == "decap" else "guest"
        news = ["--news"] if scenario == "new" else []
        command = [program, file.name, tunnel, source, self.counts, *captures, *news]
        command += ["--flows", str(places)] if places else []
        self.scratch, self.name = scratch, name
        self.process = scratch.start(*command, core=MEASURED, log=f"{name}.log")
        super().__init__(self.process.pid)
        first(self.pid)
        ready = lambda: os.path.exists(self.counts) and os.path.getsize(self.counts) == 24
        until("bench-replay", ready, 60, lambda: self.process.poll() is None)

    def counted(self):
        """Packets in, out, translated."""
        with open(self.counts, "rb") as file:
            return struct.unpack("@3Q", file.read(24))

    def count(self):
        """Packets that came in."""
        return self.counted()[0]

    def close(self):
        """Ends it."""
        self.scratch.end(self.process)
        os.remove(self.counts)


def peer(scratch, scenario, tunnel, captures, huge):
    """Open vSwitch with DPDK, in the midst of the work."""
    settings = ["per-port-memory=true"] if len(captures) > 1 else []
    memory = ONCE + POOL * len(captures)
    ovs = OpenVSwitch(scratch, "ovs-dpdk", dpdk=True, huge=huge, memory=memory, settings=settings)
    try:
        loaded(ovs, scenario, tunnel, captures)
    except BaseException:
        ovs.close()
        raise
    return ovs


def loaded(ovs, scenario, tunnel, captures):
    """Gives it ports, rules and packets."""
    ovs.vsctl("set", "Open_vSwitch", ".", POLLING)
    ovs.bridge("guests")
    ovs.underlay()
    source, sink = ("underlay", "guests") if scenario == "decap" else ("guests", "guests")
    if scenario == "encap":
        sink = "underlay"
    null = ["type=dpdk", "options:dpdk-devargs=net_null_out,no-rx=1", "mtu_request=1600"]
    ovs.port(sink, "out", frames.OTHER_GUEST, *null)
    if scenario in ("encap", "decap"):
        ovs.tunnel(tunnel)
    guests = (frames.GUEST, *range(frames.GUEST + 2, frames.GUEST + 1 + len(captures)))
    ovs.flows("guests", frames.rules(scenario, tunnel, False, guests))
    if scenario == "encap":
        ovs.flows("underlay", f"in_port=LOCAL,actions=output:{frames.OTHER_GUEST}\n")
    if scenario == "decap":
        ovs.flows("underlay", "".join(f"priority=10,in_port={port},actions=LOCAL\n" for port in guests))
    for place, (capture, port) in enumerate(zip(captures, guests)):
        device = f"options:dpdk-devargs=net_pcap_in{place},rx_pcap={capture},infinite_rx=1"
        ovs.port(source, f"in{place}", port, "type=dpdk", device, *(OWN_POOLS if len(captures) > 1 else ()))
    ovs.polls()
    until("packets", lambda: ovs.count() > 0)


def best_cache(ovs, slices):
    """Tries all settings of the caches, leaves the best in place, and returns it with what each gave."""
    rates = {}
    for setting in CACHES:
        ovs.resume()
        ovs.cache(setting)
        # Long enough for every flow of a hundred thousand to come by and find its place.
        until("traffic", traffic(ovs, 500_000))
        ovs.pause()
        rates[setting] = spread([slices.one(ovs) for _ in range(3)])["median"]
    best = max(rates, key=rates.get)
    ovs.resume()
    ovs.cache(best)
    until("traffic", traffic(ovs, 500_000))
    ovs.pause()
    return best, rates


def traffic(contender, packets):
    """Whether so many packets have come since."""
    start = contender.count()
    return lambda: contender.count() - start > packets


def loss(ovs):
    """Of the packets that come in to the peer now, the part that does not go out."""
    ovs.resume()
    until("traffic", traffic(ovs, 200_000))
    out, came = ovs.sent("out"), ovs.count()
    until("traffic", traffic(ovs, 500_000), 60)
    out, came = ovs.sent("out") - out, ovs.count() - came
    ovs.pause()
    return 1 - out / came


def compare(scratch, programs, scenario, tunnel, flows, rounds, check, huge):
    """One row. `programs`: name -> bench-replay; the first is compared, and with `check` also with itself."""
    captures = frames.captures(scratch.directory, scenario, tunnel, flows, PARTS if flows > PARTED else 1)
    rules = frames.rules(scenario, tunnel, True)
    contenders = {}
    try:
        for name, program in programs.items():
            contenders[name] = Replay(scratch, program, name, rules, scenario, tunnel, captures)
            until("the first sight of all flows", traffic(contenders[name], 3 * flows))
            contenders[name].pause()
        if check:
            contenders["again"] = Replay(scratch, programs["generic"], "again", rules, scenario, tunnel, captures)
            until("the first sight of all flows", traffic(contenders["again"], 3 * flows))
            contenders["again"].pause()
        ovs = peer(scratch, scenario, tunnel, captures, huge)
        contenders["ovs-dpdk"] = ovs
        lost = loss(ovs)
        slices = Slices(list(contenders.values()), NEW_SLICE if scenario == "new" else SLICE)
        if scenario == "new":
            ovs.count = ovs.forwarded
            cache, rates = "emc", {}
        else:
            cache, rates = best_cache(ovs, slices)
        before = tally(contenders["generic"], ovs)
        taken = dict(zip(contenders, slices.rounds(rounds)))
        row = {
            "scenario": scenario, "tunnel": tunnel, "flows": flows, "tenants": frames.TENANTS,
            "mpps": {name: spread(samples) for name, samples in taken.items()},
            "ratio": {name: ratio(taken[name], taken["ovs-dpdk"]) for name in programs},
            "goal": GOALS[scenario].get(flows), "cache": cache, "caches": rates,
            "peer lost": round(lost, 4), "disturbed": slices.disturbed,
        }  # fmt: skip
        came, out, _ = contenders["generic"].counted()
        row["lost"] = came - out
        if check:
            row["same"] = ratio(taken["again"], taken["generic"])
            row["steady"] = same(row["same"])
        if scenario == "new":
            row["new"] = newness(before, tally(contenders["generic"], ovs))
        return row
    finally:
        for contender in contenders.values():
            contender.close()
        for capture in captures:
            os.remove(capture)


def tally(ours, ovs):
    """What both have counted."""
    ovs.resume()
    try:
        return ours.counted(), ovs.statistics()
    finally:
        ovs.pause()


def newness(before, after):
    """Which parts of the packets were new flows, and which were lost for it, on both sides."""
    came, _, translated = (now - then for now, then in zip(after[0], before[0]))
    counted = {name: after[1][name] - before[1].get(name, 0) for name in after[1]}
    packets = max(counted["packets received"], 1)
    return {
        "ours": round(translated / came, 4),
        "theirs": round(counted["miss with success upcall"] / packets, 4),
        "theirs lost": round(counted["miss with failed upcall"] / packets, 4),
    }


def memory_wanted(flows):
    """Huge pages in MiB for the peer."""
    return ONCE + POOL * (PARTS if flows > PARTED else 1)


def take(scratch, say, programs, rows, rounds, fail):
    """All rows: (scenario, tunnel, flows). Yields each; one that does not come about is no hindrance to the others."""
    lacking = missing()
    if lacking:
        say(f"skipped: everything in memory, for want of a peer (apt-get install {' '.join(lacking)})")
        return
    wanted = memory_wanted(max(flows for _, _, flows in rows))
    huge = hugepages(scratch, wanted)
    if huge is None:
        say(f"the kernel has no {wanted} MiB in huge pages: the peer gets ordinary ones, which makes it slower")
    checked = set()
    for scenario, tunnel, flows in rows:
        check = scenario not in checked
        try:
            row = compare(scratch, programs, scenario, tunnel, flows, rounds, check, huge)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            fail(f"{scenario} {tunnel} {flows:,}", error)
            continue
        checked.add(scenario)
        row["huge pages"] = huge is not None
        yield row
