//! Why a frame did not come out: one variant, one sentence, one counter, at least one pcap case.

use std::fmt;

macro_rules! reasons {
    ($($(#[$group:meta])* $name:ident = $text:literal: $sentence:literal;)+) => {
        /// Why a frame was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum DropReason { $(#[doc = $sentence] $name,)+ }

        impl DropReason {
            /// Every reason, in the order of their counters.
            pub const ALL: &[DropReason] = &[$(DropReason::$name,)+];

            /// The counter's name.
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$name => $text,)+ }
            }

            /// One sentence for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(DropReason::$name => $sentence,)+ }
            }
        }
    };
}

reasons! {
    FrameTooLong = "frame_too_long": "The frame is longer than a buffer.";
    FrameTooShort = "frame_too_short": "The frame is shorter than an Ethernet header.";
    NotTunnel = "not_tunnel": "It came in by an uplink and is not a tunnel packet.";
    NotOurEndpoint = "not_our_endpoint": "The outer destination is none of our tunnel endpoints.";
    OuterHeader = "outer_header": "The outer IP header is cut short or contradicts itself.";
    OuterChecksum = "outer_checksum": "The outer IPv4 header checksum is wrong.";
    OuterFragment = "outer_fragment": "The outer packet is a fragment.";
    OuterUdp = "outer_udp": "The outer UDP header is cut short, or its length is not that of the packet.";
    OuterUdpChecksum = "outer_udp_checksum": "The outer UDP checksum is wrong.";
    NoUdpChecksum = "no_udp_checksum": "The outer UDP header has no checksum, which over IPv6 it must unless the tunnel allows it.";
    GreChecksum = "gre_checksum": "The checksum in the GRE header is wrong.";
    OutOfSequence = "out_of_sequence": "Its GRE sequence number is none behind the last one, and the tunnel takes packets in order only.";
    TunnelHeader = "tunnel_header": "The tunnel header is cut short, of another version, or carries no tunnel key.";
    TunnelPayload = "tunnel_payload": "The tunnel carries something else than an Ethernet frame.";
    TunnelControl = "tunnel_control": "It is a control message of Geneve, which is for nobody behind the tunnel.";
    CriticalOption = "critical_option": "The Geneve header has a critical option that is not known here.";
    OptionLength = "option_length": "A Geneve option is longer or shorter than the map of options says.";
    UnknownTunnel = "unknown_tunnel": "No tunnel port takes this remote endpoint and tunnel key.";
    UnknownPeer = "unknown_peer": "The tunnel takes packets from known peers only, and the sender is none of them.";
    InnerTooShort = "inner_too_short": "The frame inside the tunnel is shorter than an Ethernet header.";
    InnerTag = "inner_tag": "The frame inside NVGRE has a VLAN tag, which it must not have.";
    EcnNotCapable = "ecn_not_capable": "The underlay marks congestion, and the inner packet is of a sender that understands no marks.";
    PortDown = "port_down": "A controller has taken the port down.";
    NoReceive = "no_receive": "A controller wants nothing that comes in by the port.";
    NoForward = "no_forward": "A controller lets nothing leave by the port.";
    NoPacketIn = "no_packet_in": "Only the table-miss entry takes it, and a controller wants to be told of no such frames of the port.";
    Fragment = "fragment": "It is a fragment, and a controller has the switch drop those.";
    TableMiss = "table_miss": "No rule of the table matches.";
    RuleDrop = "rule_drop": "The rule that matches has no action that sends it anywhere.";
    OutputToInput = "output_to_input": "The only output is the port that it came in by; use in_port to send it back.";
    NoSuchPort = "no_such_port": "The rule sends it to a port that does not exist.";
    VlanRefused = "vlan_refused": "NORMAL does not take its VLAN tag from the port that it came in by.";
    NoTenant = "no_tenant": "NORMAL finds the tunnel key 0, which is no tenant's.";
    ReservedAddress = "reserved_address": "It is addressed to network control, which NORMAL does not forward.";
    BehindInput = "behind_input": "NORMAL knows its destination to be behind the port that it came in by.";
    NoOtherPort = "no_other_port": "NORMAL finds no other port of its tenant and VLAN that it may leave by.";
    NoTunnelRemote = "no_tunnel_remote": "The tunnel port takes its remote_ip from the flow, and the flow does not set tun_dst.";
    NoRoute = "no_route": "The kernel has no route to the remote endpoint by one of our uplinks.";
    NoNeighbour = "no_neighbour": "The kernel has not resolved the next hop's MAC address.";
    ExceedsMtu = "exceeds_mtu": "With the outer headers it is longer than the MTU of the way.";
    NoHeadroom = "no_headroom": "There is no room in the buffer for the headers to be added.";
    TtlExpired = "ttl_expired": "The rule counts the time to live down, and it was 1 or 0.";
    TooManyHeaders = "too_many_headers": "The rules take off more labels or service tags than are looked at in a frame.";
    NoSuchGroup = "no_such_group": "It is sent to a group that does not exist, mostly by a bucket of another.";
    NoLiveBucket = "no_live_bucket": "No bucket of the group, or no port of the bundle, is alive.";
    TooManyLookups = "too_many_lookups": "The rules look it up more often, or nest deeper, than a frame may.";
    TooManyActions = "too_many_actions": "The rule's actions come to more steps than a frame may take.";
    MeterDrop = "meter_drop": "It is above the rate of a meter's drop band.";
    StormOverRate = "storm_over_rate": "It is for everybody, and above what its port may have flooded.";
    QueueOverRate = "queue_over_rate": "It is above the max_rate of the output port's queue.";
    PuntOverShare = "punt_over_share": "More frames of one tenant are for the controller, for one reason, than it is told in that time.";
    PuntOverRate = "punt_over_rate": "More frames are for the controller than it is told in that time.";
    PuntFull = "punt_full": "It is for the controller, and no buffer was free to tell it in.";
    PoolEmpty = "pool_empty": "No free buffer was left for a copy.";
    TxFull = "tx_full": "The transmit ring of the output port is full.";
    PortRefused = "port_refused": "The device did not take it: too long for it, down, or without room.";
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One counter a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Drops([0; DropReason::ALL.len()])
    }
}

impl Drops {
    /// Counts one frame.
    #[inline]
    pub fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// How many frames died of `reason`.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// How many frames died.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count, also those that never happened.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.iter().map(|reason| (*reason, self.get(*reason)))
    }

    pub(super) fn set(&mut self, reason: DropReason, count: u64) {
        self.0[reason as usize] = count;
    }
}
