"""The packets and rules that every contender gets: conversations of a thousand tenants, as captures, and flows as text.

A tenant is the MAC address of its guest; a flow is a number, its tenant the remainder by the number of tenants, and
the rest is in the UDP ports. All guests' frames have 64 bytes. The order of flows is shuffled, always the same way.
"""

import random
import struct

TENANTS = 1000
HERE, THERE = "192.0.2.1", "192.0.2.2"
UPLINK_MAC, NEXT_HOP_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
# Numbers of ports in rules.
GUEST, OTHER_GUEST, TUNNEL = 1, 2, 10
TUNNELS = ("vxlan", "gre", "nvgre", "geneve")
# A capture has at least so many packets, so that a port that plays it round and round seldom begins anew.
LEAST = 1024

VXLAN_PORT, GENEVE_PORT = 4789, 6081
ETHERNET_IN_GRE = 0x6558


def mac(text):
    """The bytes of a MAC address."""
    return bytes.fromhex(text.replace(":", ""))


def guest_mac(tenant):
    """Who sends."""
    return f"02:00:01:00:{tenant >> 8:02x}:{tenant & 255:02x}"


def station_mac(tenant):
    """To whom."""
    return f"02:00:02:00:{tenant >> 8:02x}:{tenant & 255:02x}"


def vni(tenant):
    """The tenant's number on the underlay; NVGRE has none below 4,096 (RFC 7637 section 3.2)."""
    return 5000 + tenant


def key(tunnel, tenant):
    """The tunnel key as Open vSwitch has it: with NVGRE the number stands in the upper 24 of 32 bits."""
    return vni(tenant) << 8 if tunnel == "nvgre" else vni(tenant)


def ipv4(source, destination, protocol, payload):
    """A header of IPv4 without options, its checksum filled in."""
    address = lambda text: bytes(map(int, text.split(".")))
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + payload, 0, 0x4000, 64, protocol, 0)
    header += address(source) + address(destination)
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return header[:10] + struct.pack("!H", ~total & 0xFFFF) + header[12:]


def plain_head(tenant, size=64):
    """A guest's frame up to the UDP ports."""
    addresses = f"10.{tenant >> 8}.{tenant & 255}.1", f"10.{tenant >> 8}.{tenant & 255}.2"
    return mac(station_mac(tenant)) + mac(guest_mac(tenant)) + b"\x08\x00" + ipv4(*addresses, 17, size - 34)


def plain(flow, tenants=TENANTS, head=None, size=64):
    """A guest's frame."""
    number = flow // tenants
    ports = 1024 + number * 7919 % 60000, 9000 + number // 60000
    head = head or plain_head(flow % tenants, size)
    return head + struct.pack("!HHHH", *ports, size - 34, 0) + bytes(size - 42)


def entropy(flow):
    """A UDP source port by which senders spread their flows (RFC 7348 section 5)."""
    return 49152 + (flow * 2654435761 >> 7 & 0x3FFF)


def wrapped(tunnel, tenant, flow, inner):
    """A frame in a tunnel, from the other end to us."""
    number = vni(tenant)
    if tunnel == "vxlan":
        payload = struct.pack("!II", 0x08000000, number << 8) + inner
    elif tunnel == "geneve":
        payload = struct.pack("!BBHI", 0, 0, ETHERNET_IN_GRE, number << 8) + inner
    else:
        payload = struct.pack("!HHI", 0x2000, ETHERNET_IN_GRE, key(tunnel, tenant)) + inner
    protocol = 47
    if tunnel in ("vxlan", "geneve"):
        protocol = 17
        port = VXLAN_PORT if tunnel == "vxlan" else GENEVE_PORT
        payload = struct.pack("!HHHH", entropy(flow), port, 8 + len(payload), 0) + payload
    return mac(UPLINK_MAC) + mac(NEXT_HOP_MAC) + b"\x08\x00" + ipv4(THERE, HERE, protocol, len(payload)) + payload


def captures(directory, scenario, tunnel, flows, parts=1):
    """Files of all flows' packets, in `parts` of equal size: their names."""
    heads = [plain_head(tenant) for tenant in range(min(TENANTS, flows))]
    order = list(range(flows))
    random.Random(1).shuffle(order)
    order *= -(-LEAST // flows)
    each = -(-len(order) // parts)
    names = []
    for part in range(parts):
        name = f"{directory}/{scenario}-{tunnel}-{flows}-{part}.pcap"
        names.append(name)
        with open(name, "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for flow in order[part * each : (part + 1) * each]:
                tenant = flow % TENANTS
                frame = plain(flow, head=heads[tenant])
                if scenario == "decap":
                    frame = wrapped(tunnel, tenant, flow, frame)
                file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    return names


def rules(scenario, tunnel, of_us, guests=(GUEST,)):
    """The flows, as text. `of_us`: NVGRE's key is the number alone; `guests`: the ports that frames come in by."""
    lines = []
    for tenant in range(TENANTS):
        number = vni(tenant) if of_us else key(tunnel, tenant)
        mask = "/0xffffff00" if tunnel == "nvgre" and not of_us else ""
        for port in guests:
            if scenario == "encap":
                match, actions = f"dl_src={guest_mac(tenant)}", f"set_field:{number}->tun_id,output:{TUNNEL}"
                lines.append(f"priority=10,in_port={port},{match},actions={actions}")
            elif scenario == "forward":
                lines.append(f"priority=10,in_port={port},dl_dst={station_mac(tenant)},actions=output:{OTHER_GUEST}")
        if scenario == "decap":
            lines.append(f"priority=10,in_port={TUNNEL},tun_id={number:#x}{mask},actions=output:{OTHER_GUEST}")
    if scenario == "new":
        lines += every_packet_counts(guests)
    if scenario == "one":
        lines += [f"priority=10,in_port={port},udp,actions=output:{OTHER_GUEST}" for port in guests]
    return "\n".join(lines) + "\n"


def every_packet_counts(guests):
    """Rules that look at the whole conversation, so that no answer holds for two of them."""
    moves = ["IP_SRC[]->NXM_NX_REG0[]", "IP_DST[]->NXM_NX_REG1[]", "UDP_SRC[]->NXM_NX_REG2[0..15]", "UDP_DST[]->NXM_NX_REG2[16..31]"]
    actions = ",".join(f"move:NXM_OF_{move}" for move in moves)
    none_such = "reg0=0x1,reg1=0x1,reg2=0x1"
    lines = [f"priority=10,in_port={port},udp,actions={actions},resubmit(,1)" for port in guests]
    return lines + [f"table=1,priority=2,{none_such},actions=drop", f"table=1,priority=1,actions=output:{OTHER_GUEST}"]
