"""Memory: of the daemon by itself, of each rule, and of each flow that is remembered; what is resident, huge pages included.

By itself: with a guest's veth and an uplink's, after its start. Rules: one for each of so many TCP conversations, as `benches/install` has them, by
`ovs-ofctl add-flows`, when some are there already, so that only rules are counted and not what is there once; not as a bundle, of which a switch
keeps all messages until the end, which would be counted with the rules. Flows: packets of so many conversations, once where one answer holds for all, and once where each has its own; the difference. Of adit, which has its memory from the start,
the difference between room for few and room for many.
"""

import os
import re
import subprocess
import time

import cables
import contenders
import frames
import memory
from openvswitch import DPDK
from processes import HUGE_FEW, at_once, hugepages, until

# Rules that are there before, and that are counted; flows of Open vSwitch.
BEFORE, RULES, FLOWS = 1_000, 50_000, 20_000
PLACES = 1 << 10, 1 << 16
RULE, FLOW = f"a rule of {RULES:,}", "a remembered flow"
GOAL = 0.25
# Seconds.
SETTLED = 1
PEER = "ovs-dpdk-afxdp"


def resident(pid):
    """Bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        sizes = dict(re.findall(r"^(\w+): +(\d+) kB", file.read(), re.MULTILINE))
    return 1024 * sum(int(sizes.get(kind, 0)) for kind in ("Rss", "Shared_Hugetlb", "Private_Hugetlb"))


def rules(some):
    """Those of some TCP conversations."""
    line = "priority=100,tcp,nw_src=10.{}.{}.{},tp_dst={},actions=output:1\n"
    return "".join(line.format(n >> 20, n >> 12 & 255, n >> 4 & 255, 1024 + n % 16) for n in some)


def daemons(scratch, programs, huge):
    """Bytes of both by themselves, and of a rule."""
    pair = cables.Cables(scratch, programs, ("adit", PEER), huge)
    try:
        alone, ruled = {}, {}
        for name, contender in pair.contenders.items():
            contender.resume()
            alone[name] = resident(contender.pid)
            if name == "adit":
                target = f"unix:{scratch.directory}/{pair.near[name]}/br0.mgmt"
            else:
                target = f"unix:{contender.directory}/guests.mgmt"
            add(target, range(BEFORE))
            few = resident(contender.pid)
            add(target, range(BEFORE, BEFORE + RULES))
            ruled[name] = (resident(contender.pid) - few) / RULES
            contender.pause()
        return alone, ruled
    finally:
        pair.close()


def add(target, some):
    """Rules, by who waits for a barrier after each."""
    command = (*at_once(), "ovs-ofctl", "-O", "OpenFlow14", "add-flows", target, "-")
    subprocess.run(command, input=rules(some), text=True, check=True, timeout=900)
    # Whoever removes what is not needed any more after a while has done it.
    time.sleep(SETTLED)


def ours(scratch, programs):
    """Bytes of a flow that adit remembers: it has a place for each from its start, so the difference is that of two workers."""
    captures = frames.captures(scratch.directory, "new", "vxlan", PLACES[1])
    sizes = []
    for places in PLACES:
        rules = frames.rules("new", "vxlan", True)
        worker = memory.Replay(scratch, programs["generic"], "flows", rules, "new", "vxlan", captures, places)
        until("the first sight of all flows", memory.traffic(worker, 3 * PLACES[1]), 60)
        sizes.append(resident(worker.pid))
        worker.close()
    os.remove(captures[0])
    return (sizes[1] - sizes[0]) / (PLACES[1] - PLACES[0])


def theirs(scratch, huge):
    """Bytes of one that Open vSwitch remembers."""
    captures = frames.captures(scratch.directory, "new", "vxlan", FLOWS)
    sizes = []
    for scenario in ("one", "new"):
        ovs = memory.peer(scratch, scenario, "vxlan", captures, huge)
        count = known(ovs, 0.9 * FLOWS if scenario == "new" else 1)
        sizes.append(resident(ovs.pid))
        ovs.close()
    os.remove(captures[0])
    return (sizes[1] - sizes[0]) / count


def known(ovs, wanted):
    """How many flows Open vSwitch remembers, as soon as there are so many."""
    count = lambda: int(re.search(r"flows: (\d+)", ovs.control.ask("dpctl/show", "netdev@ovs-netdev"))[1])
    until("the flows of Open vSwitch", lambda: count() >= wanted, 60)
    return count()


def take(scratch, say, programs):
    """The three. Yields each."""
    lacking = {*memory.missing(), *contenders.lacking(contenders.ALL[PEER])}
    if lacking:
        say(f"skipped: memory, for want of {DPDK} and its drivers (apt-get install {' '.join(sorted(lacking))})")
        return
    huge = hugepages(scratch, HUGE_FEW)
    alone, ruled = daemons(scratch, programs, huge)
    remembered = {"adit": ours(scratch, programs), PEER: theirs(scratch, huge)}
    for what, sizes in (("by itself", alone), (RULE, ruled), (FLOW, remembered)):
        ratio = round(sizes["adit"] / max(sizes[PEER], 1), 4)
        yield {"what": what, "bytes": {name: round(size) for name, size in sizes.items()}, "ratio": ratio, "goal": GOAL}
