//! The words of ovs-ofctl(8) that are not fields with values: protocols, and all that this version does not have.

/// A word that stands for a protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protocol {
    pub(super) name: &'static str,
    pub(super) eth_type: u16,
    pub(super) protocol: Option<u8>,
}

const fn protocol(name: &'static str, eth_type: u16, protocol: Option<u8>) -> Protocol {
    Protocol { name, eth_type, protocol }
}

/// Protocols by name; the ones with an IP protocol before the ones without, as they are preferred when shown.
pub(super) const PROTOCOLS: &[Protocol] = &[
    protocol("icmp", 0x0800, Some(1)),
    protocol("tcp", 0x0800, Some(6)),
    protocol("udp", 0x0800, Some(17)),
    protocol("sctp", 0x0800, Some(132)),
    protocol("icmp6", 0x86dd, Some(58)),
    protocol("tcp6", 0x86dd, Some(6)),
    protocol("udp6", 0x86dd, Some(17)),
    protocol("sctp6", 0x86dd, Some(132)),
    protocol("ip", 0x0800, None),
    protocol("ipv6", 0x86dd, None),
    protocol("arp", 0x0806, None),
    protocol("rarp", 0x8035, None),
    protocol("mpls", 0x8847, None),
    protocol("mplsm", 0x8848, None),
];

/// Other names of protocols.
pub(super) const PROTOCOL_ALIASES: &[(&str, &str)] = &[("ip4", "ip"), ("ipv4", "ip"), ("ip6", "ipv6")];

/// What `dump-flows` writes about a flow and what adding a flow does not ask for; ovs-ofctl passes over it as well.
pub(super) const STATISTICS: &[&str] = &["duration", "n_packets", "n_bytes", "idle_age", "hard_age"];

/// Words in front of `actions=` that are neither fields nor protocols.
pub(super) const FLOW_WORDS: &[&str] = &[
    "priority",
    "cookie",
    "table",
    "idle_timeout",
    "hard_timeout",
    "importance",
    "send_flow_rem",
    "check_overlap",
    "reset_counts",
    "no_packet_counts",
    "no_byte_counts",
    "out_port",
    "out_group",
    "actions",
];

/// Properties of flows that Open vSwitch knows and this version does not have.
pub(super) const FLOW_WORDS_NOT_YET: &[&str] = &["allow_hidden_fields"];

/// Fields that Open vSwitch knows and this version does not have. A name that ends with `*` stands for many.
pub(super) const FIELDS_NOT_YET: &[&str] = &[
    "ct_*",
    "dp_hash",
    "eth",
    "ip_ttl",
    "nsh_*",
    "packet_type",
    "recirc_id",
    "skb_priority",
    "tun_erspan_*",
    "tun_gtpu_*",
    "tun_tos",
    "tun_ttl",
];

/// The actions that there are.
pub(super) const ACTIONS: &[&str] = &[
    "output",
    "in_port",
    "drop",
    "set_field",
    "mod_dl_src",
    "mod_dl_dst",
    "mod_nw_src",
    "mod_nw_dst",
    "mod_nw_tos",
    "mod_nw_ecn",
    "mod_nw_ttl",
    "mod_tp_src",
    "mod_tp_dst",
    "mod_vlan_vid",
    "set_vlan_vid",
    "mod_vlan_pcp",
    "set_vlan_pcp",
    "strip_vlan",
    "pop_vlan",
    "push_vlan",
    "set_tunnel",
    "set_tunnel64",
    "all",
    "flood",
    "normal",
    "controller",
    "local",
    "group",
    "load",
    "move",
    "delete_field",
    "dec_ttl",
    "push_mpls",
    "pop_mpls",
    "set_mpls_label",
    "set_mpls_tc",
    "set_mpls_ttl",
    "dec_mpls_ttl",
    "push_pbb",
    "pop_pbb",
    "copy_ttl_out",
    "copy_ttl_in",
    "resubmit",
    "clone",
    "conjunction",
    "note",
    "set_queue",
    "pop_queue",
    "enqueue",
    "push",
    "pop",
    "exit",
    "check_pkt_larger",
    "multipath",
    "bundle",
    "bundle_load",
    "learn",
    "fin_timeout",
    "meter",
    "clear_actions",
    "write_actions",
    "write_metadata",
    "goto_table",
];

/// Those among them that are instructions, in their order: after all actions.
pub(super) const INSTRUCTIONS: [&str; 4] = ["clear_actions", "write_actions", "write_metadata", "goto_table"];

/// Actions that Open vSwitch knows and this version does not have.
pub(super) const ACTIONS_NOT_YET: &[&str] = &[
    "apply_actions",
    "ct",
    "ct_clear",
    "debug_recirc",
    "debug_slow",
    "dec_nsh_ttl",
    "decap",
    "encap",
    "flood_vlans",
    "nat",
    "output_reg",
    "sample",
    "table",
    "unroll_xlate",
];

/// Properties of groups and of their buckets.
pub(super) const GROUP_WORDS: &[&str] = &[
    "group_id",
    "type",
    "selection_method",
    "selection_method_param",
    "fields",
    "command_bucket_id",
    "bucket",
    "bucket_id",
    "weight",
    "watch_port",
    "watch_group",
    "actions",
];

/// Properties of meters and of their bands.
pub(super) const METER_WORDS: &[&str] =
    &["meter", "kbps", "pktps", "burst", "stats", "bands", "type", "rate", "burst_size", "prec_level"];

/// The largest number that a bucket can have (OpenFlow 1.5, `OFPG_BUCKET_MAX`).
pub(super) const BUCKET_ID_MAX: u32 = 0xffff_ff00;

/// Whether a list that may contain `name*` has a word.
pub(super) fn lists(list: &[&str], word: &str) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(start) => word.len() > start.len() && word.starts_with(start),
        None => *entry == word,
    })
}

/// The protocol of that name.
pub(super) fn find_protocol(name: &str) -> Option<&'static Protocol> {
    let name = PROTOCOL_ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| *name);
    PROTOCOLS.iter().find(|protocol| protocol.name == name)
}
