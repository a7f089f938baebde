//! One frame, by its bytes: every action is done to them at once, and what rules see is read out of them again. Checksums are
//! not kept: what comes out is compared by what it says.

use super::options;
use datapath::flow::key::WORDS;
use datapath::flow::{Field, FlowKey, OfPort, extract};

pub(crate) const PRESENT: u128 = 0x1000;

const fn word(word: usize, bits: u64) -> (usize, u64) {
    (word, bits)
}

/// Where a key has the network header and all behind it.
const NETWORK: &[(usize, u64)] = &[
    word(0, 0xffff),
    word(3, !0),
    word(4, !0),
    word(8, !0),
    word(9, !0),
    word(10, !0),
    word(11, !0),
    word(12, !0),
    word(13, !0),
    word(14, !0),
    word(15, !0),
    word(16, !0),
    word(25, 0xffff_0000_0000_ffff),
];
const TRANSPORT: &[(usize, u64)] =
    &[word(4, !0xffff), word(13, !0), word(14, !0), word(15, !0), word(16, !0), word(25, 0xffff)];
const LABELS: &[(usize, u64)] = &[word(21, !0), word(22, !0 << 32)];
const SERVICE: &[(usize, u64)] = &[word(22, 0xffff_ffff), word(23, !0), word(24, !0), word(25, 0xffff_0000)];

#[derive(Clone)]
pub(crate) struct Frame {
    /// What rules see.
    pub(crate) says: FlowKey,
    bytes: Vec<u8>,
    /// Bits that rules have made unreadable.
    blank: [u64; WORDS],
    options: Vec<options::Known>,
    /// The tunnel key is the one that it came in with.
    pub(crate) key_is_its_own: bool,
    /// A meter has dropped it.
    pub(crate) dead: bool,
    /// A meter has marked it: only in the bytes, what rules see is what came in, or what they have set.
    marked: bool,
    /// Labels that can be read.
    labels: usize,
    /// Whether what is behind a service tag can be read.
    inside: bool,
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn is_tag(ether_type: u16) -> bool {
    matches!(ether_type, 0x8100 | 0x88a8)
}

pub(crate) fn is_mpls(ether_type: u128) -> bool {
    matches!(ether_type, 0x8847 | 0x8848)
}

fn tags_of(bytes: &[u8]) -> Vec<u16> {
    let mut tags = Vec::new();
    while is_tag(be16(bytes, 12 + 4 * tags.len())) {
        tags.push(be16(bytes, 14 + 4 * tags.len()) | PRESENT as u16);
    }
    tags
}

/// What a key says of these bytes, whose tags beyond the second do not hide what is behind them.
fn read(bytes: &[u8]) -> FlowKey {
    let mut bytes = bytes.to_vec();
    let mut start = 0;
    loop {
        let tags = tags_of(&bytes[start..]).len();
        if tags > 2 {
            bytes.drain(start + 20..start + 12 + 4 * tags);
        }
        start += 14 + 4 * tags.min(2);
        if be16(&bytes, start - 2) != 0x88e7 {
            break;
        }
        start += 4;
    }
    let mut key = FlowKey::default();
    extract(&bytes, OfPort(0), None, &mut key).expect("a whole frame");
    key
}

impl Frame {
    pub(crate) fn new(says: FlowKey, bytes: &[u8], options: &[options::Known]) -> Frame {
        Frame {
            options: options.to_vec(),
            key_is_its_own: true,
            says,
            bytes: bytes.to_vec(),
            blank: [0; WORDS],
            dead: false,
            marked: false,
            labels: 3,
            inside: true,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// No more than its first bytes.
    pub(crate) fn cut(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Bits of the key that rules have made unreadable.
    pub(crate) fn unreadable(&self) -> &[u64; WORDS] {
        &self.blank
    }

    pub(crate) fn get(&self, field: Field) -> u128 {
        self.says.get(field)
    }

    /// Sets bits, where the frame has the field. False when the frame must go no further.
    pub(crate) fn set(&mut self, field: Field, value: u128, mask: u128) -> bool {
        if !self.has(field) {
            return true;
        }
        let (old_type, old_protocol, old_bottom) =
            (self.get(Field::EthType), self.get(Field::NwProto), self.get(Field::MplsBos));
        if field == Field::EthType && is_tag(old_type as u16) {
            return false;
        }
        self.key_is_its_own &= field != Field::TunId;
        self.force(field, value, mask);
        options::follow(&self.options, &mut self.says, field);
        let new_type = self.get(Field::EthType);
        if new_type != old_type && !(is_mpls(old_type) && is_mpls(new_type)) {
            [LABELS, SERVICE, NETWORK].into_iter().for_each(|part| self.blank(part));
            (self.labels, self.inside) = (0, false);
        }
        if new_type != 0x0806 && self.get(Field::NwProto) != old_protocol {
            self.blank(TRANSPORT);
        }
        if self.get(Field::MplsBos) != old_bottom {
            self.labels = self.labels.min(1);
            self.blank(&[word(21, 0xffff_ffff), word(22, !0 << 32)]);
            self.blank(NETWORK);
        }
        true
    }

    /// Sets bits that are known to be there.
    fn force(&mut self, field: Field, value: u128, mask: u128) {
        let mut bits = FlowKey::default();
        bits.set(field, mask);
        for (blank, bits) in self.blank.iter_mut().zip(bits.words()) {
            *blank &= !bits;
        }
        self.says.set_masked(field, value, mask);
        match field {
            Field::VlanTci | Field::VlanVid | Field::VlanPcp => self.set_tag(),
            _ => self.write(field, mask),
        }
    }

    /// Raises the drop precedence in the bytes.
    pub(crate) fn remark(&mut self, levels: u8) {
        if !self.has(Field::NwTos) {
            return;
        }
        let classes = [[10, 12, 14], [18, 20, 22], [26, 28, 30], [34, 36, 38]];
        let said = self.get(Field::NwTos);
        let tos = read(&self.bytes).get(Field::NwTos) as u8;
        for class in classes {
            if let Some(at) = class.iter().position(|dscp| *dscp == tos >> 2) {
                let dscp: u8 = class[(at + usize::from(levels)).min(2)];
                self.says.set(Field::NwTos, (dscp << 2 | tos & 3).into());
                self.write(Field::NwTos, 0xff);
                self.says.set(Field::NwTos, said);
                self.marked = true;
            }
        }
    }

    fn blank(&mut self, part: &[(usize, u64)]) {
        for (word, bits) in part {
            self.blank[*word] |= bits;
            self.says.words_mut()[*word] &= !bits;
        }
    }

    /// Rules see no ports and flags of TCP from now on.
    pub(crate) fn hide_ports(&mut self) {
        self.blank(&[word(4, 0xffff_ffff_0fff_0000)]);
    }

    /// Where the Ethernet type is, and what is behind it, labels passed over.
    fn network(&self) -> (usize, usize) {
        let at = 12 + 4 * tags_of(&self.bytes).len();
        let mut network = at + 2;
        if is_mpls(be16(&self.bytes, at).into()) {
            while self.bytes[network + 2] & 1 == 0 && network + 8 <= self.bytes.len() {
                network += 4;
            }
            network += 4;
        }
        (at, network)
    }

    /// Writes what the key says of a field into the bytes.
    fn write(&mut self, field: Field, mask: u128) {
        let (at, network) = self.network();
        let all = self.says.get(field).to_be_bytes();
        let version = self.bytes.get(network).map_or(0, |first| first >> 4);
        let (four, arp) = (version == 4, be16(&self.bytes, at) == 0x0806);
        let anywhere = [Field::EthDst, Field::EthSrc, Field::EthType, Field::PbbIsid, Field::InnerMplsTtl];
        let of_a_label = [Field::MplsLabel, Field::MplsTc, Field::MplsBos, Field::MplsTtl].contains(&field);
        let is_what_it_says = match be16(&self.bytes, at) {
            0x0800 => four,
            0x86dd => version == 6,
            0x0806 => self.bytes[network..].starts_with(&[0, 1, 8, 0, 6, 4]),
            _ => true,
        };
        if !is_what_it_says && !of_a_label && !anywhere.contains(&field) {
            return;
        }
        let (at, bytes) = match field {
            Field::EthDst => (0, 6),
            Field::EthSrc => (6, 6),
            Field::EthType => (at, 2),
            Field::MplsLabel | Field::MplsTc | Field::MplsBos | Field::MplsTtl => {
                return self.put(at + 2, &self.says.get(Field::MplsLse).to_be_bytes()[12..]);
            }
            Field::InnerMplsTtl => (at + 9, 1),
            Field::PbbIsid => (at + 3, 3),
            Field::NwSrc if arp => (network + 14, 4),
            Field::NwDst if arp => (network + 24, 4),
            Field::NwProto if arp => (network + 6, 2),
            Field::NdTarget => (self.chain(network).1 + 8, 16),
            Field::NdReserved => (self.chain(network).1 + 4, 4),
            Field::NdOptionsType => {
                let mut at = self.chain(network).1 + 24;
                while at + 8 <= self.bytes.len() && ![1, 2].contains(&self.bytes[at]) {
                    at += 8 * usize::from(self.bytes[at + 1].max(1));
                }
                if at + 8 > self.bytes.len() {
                    return;
                }
                (at, 1)
            }
            Field::NdSll | Field::NdTll => {
                let wanted = if field == Field::NdSll { 1 } else { 2 };
                let mut at = self.chain(network).1 + 24;
                while at + 8 <= self.bytes.len() && self.bytes[at] != wanted {
                    at += 8 * usize::from(self.bytes[at + 1].max(1));
                }
                if at + 8 > self.bytes.len() {
                    return;
                }
                (at + 2, 6)
            }
            Field::ArpSha => (network + 8, 6),
            Field::ArpTha => (network + 18, 6),
            Field::NwSrc => (network + 12, 4),
            Field::NwDst => (network + 16, 4),
            Field::NwTos | Field::IpDscp | Field::NwEcn => {
                let [first, second] = [self.bytes[network], self.bytes[network + 1]];
                let had = if four { second } else { first << 4 | second >> 4 };
                let mask = if field == Field::IpDscp { (mask as u8) << 2 } else { mask as u8 };
                let tos = had & !mask | self.says.get(Field::NwTos) as u8 & mask;
                let bytes =
                    if four { [first, tos] } else { [first & 0xf0 | tos >> 4, tos << 4 | second & 0xf] };
                return self.put(network, &bytes);
            }
            Field::NwTtl => (network + if four { 8 } else { 7 }, 1),
            Field::NwProto if four => (network + 9, 1),
            Field::NwProto => (self.chain(network).0, 1),
            Field::Ipv6Src => (network + 8, 16),
            Field::Ipv6Dst => (network + 24, 16),
            Field::Ipv6Label => {
                let first = self.bytes[network + 1] & 0xf0 | all[13];
                return self.put(network + 1, &[first, all[14], all[15]]);
            }
            Field::TpSrc | Field::TpDst => {
                let transport = if four { network + 20 } else { self.chain(network).1 };
                let second = usize::from(field == Field::TpDst);
                match self.says.get(Field::NwProto) {
                    1 | 58 => (transport + second, 1),
                    _ => (transport + 2 * second, 2),
                }
            }
            _ => return,
        };
        self.put(at, &all[16 - bytes..]);
    }

    /// Of IPv6: where the protocol of the payload is said, and where the payload begins.
    fn chain(&self, network: usize) -> (usize, usize) {
        let (mut said, mut at) = (network + 6, network + 40);
        while [0, 43, 44, 60].contains(&self.bytes[said]) {
            let units = if self.bytes[said] == 44 { 0 } else { usize::from(self.bytes[at + 1]) };
            (said, at) = (at, at + 8 * (units + 1));
        }
        (said, at)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn has(&self, field: Field) -> bool {
        let (ether_type, protocol) = (self.get(Field::EthType), self.get(Field::NwProto));
        let (four, six, arp) = (ether_type == 0x0800, ether_type == 0x86dd, ether_type == 0x0806);
        match field {
            Field::NwSrc | Field::NwDst => four || arp,
            Field::ArpSha | Field::ArpTha => arp,
            Field::NwProto => four || six || arp,
            Field::NwTos | Field::IpDscp | Field::NwTtl => four || six,
            Field::Ipv6Src | Field::Ipv6Dst | Field::Ipv6Label => six,
            Field::TpSrc | Field::TpDst if protocol == 132 => (four || six) && self.get(Field::NwFrag) == 0,
            Field::TpSrc | Field::TpDst => {
                (four || six) && [1, 6, 17, 58].contains(&protocol) && self.get(Field::NwFrag) != 3
            }
            Field::NdOptionsType if self.get(Field::NdOptionsType) == 0 => false,
            Field::NdTarget | Field::NdReserved | Field::NdOptionsType | Field::NdSll | Field::NdTll => {
                let (kind, code) = (self.get(Field::TpSrc) & 0xff, self.get(Field::TpDst) & 0xff);
                let kinds: &[u128] = match field {
                    Field::NdSll => &[135],
                    Field::NdTll => &[136],
                    _ => &[135, 136],
                };
                let whole = six && protocol == 58 && self.get(Field::NwFrag) != 3;
                whole && kinds.contains(&kind) && code == 0
            }
            Field::MplsLabel | Field::MplsTc | Field::MplsBos | Field::MplsTtl => is_mpls(ether_type),
            Field::PbbIsid => ether_type == 0x88e7,
            _ => true,
        }
    }

    /// Reads the headers again, as far as they can be read.
    fn look(&mut self) {
        let (new, tos) = (read(&self.bytes), self.says.get(Field::NwTos));
        for word in [1, 2, 3, 4, 8, 9, 10, 11, 12, 21, 22, 23, 24, 25] {
            let mut said = new.words()[word] & !self.blank[word];
            if word == 25 {
                said |= self.says.words()[word] & 0xffff << 32;
            }
            if word < 3 {
                said = said & !0xffff | self.says.words()[word] & 0xffff;
            }
            self.says.words_mut()[word] = said;
        }
        if self.marked {
            self.says.set(Field::NwTos, tos);
        }
        let said = new.words()[0] & !self.blank[0];
        self.says.words_mut()[0] = self.says.words()[0] & !0xffff_ffff | said & 0xffff_ffff;
        let stack = [Field::MplsLse, Field::InnerMplsLse, Field::ThirdMplsLse];
        stack[self.labels..].iter().for_each(|entry| self.says.set(*entry, 0));
        let bottom = stack[..self.labels].iter().any(|entry| self.get(*entry) & 0x100 != 0);
        let top = if self.get(Field::EthType) == 0x88e7 { Field::CustomerType } else { Field::EthType };
        if is_mpls(self.get(top)) && !bottom {
            for (word, bits) in NETWORK {
                self.says.words_mut()[*word] &= !bits;
            }
        }
    }

    pub(crate) fn tags(&self) -> Vec<u16> {
        tags_of(&self.bytes)
    }

    /// Others in their place.
    pub(crate) fn set_tags(&mut self, tags: &[u16]) {
        let had = 12 + 4 * self.tags().len();
        let tag = |tag: &u16| [[0x81, 0x00], (tag & !(PRESENT as u16)).to_be_bytes()].concat();
        self.bytes.splice(12..had, tags.iter().flat_map(tag).collect::<Vec<u8>>());
    }

    fn see_tags(&mut self) {
        let tags = self.tags();
        let tag = |at: usize| tags.get(at).copied().unwrap_or(0).into();
        self.says.set(Field::VlanTci, tag(0));
        self.says.set(Field::InnerVlanTci, tag(1));
    }

    fn set_tag(&mut self) {
        let tag = self.says.get(Field::VlanTci);
        if tag & PRESENT != 0 {
            let tci = (tag as u16 & !(PRESENT as u16)).to_be_bytes();
            match self.tags().is_empty() {
                true => drop(self.bytes.splice(12..12, [0x81, 0x00, tci[0], tci[1]])),
                false => self.put(14, &tci),
            }
        }
    }

    pub(crate) fn push_tag(&mut self) {
        let tci = self.tags().first().map_or(0, |tag| tag & !(PRESENT as u16)).to_be_bytes();
        self.bytes.splice(12..12, [0x81, 0x00, tci[0], tci[1]]);
        self.see_tags();
    }

    pub(crate) fn pop_tag(&mut self) {
        if !self.tags().is_empty() {
            self.bytes.drain(12..16);
        }
        self.see_tags();
    }

    /// False, as for all that follow, when the frame must go no further.
    pub(crate) fn push_label(&mut self, ether_type: u16) -> bool {
        let below = self.get(Field::EthType);
        if is_tag(below as u16) || is_mpls(below) && self.labels == 0 {
            return false;
        }
        let entry = match is_mpls(below) {
            true => self.get(Field::MplsLse) as u32 & !0x100,
            false => 0x100 | if self.has(Field::NwTtl) { self.get(Field::NwTtl) as u32 } else { 0 },
        };
        if below == 0x88e7 {
            self.blank(SERVICE);
            self.blank(NETWORK);
            self.inside = false;
        }
        let (at, _) = self.network();
        self.bytes.splice(at..at + 2, [ether_type.to_be_bytes().as_slice(), &entry.to_be_bytes()].concat());
        // What was made unreadable moves down with what it was in.
        let [first, second] = [self.blank[21], self.blank[22]];
        self.blank[21] = first >> 32;
        self.blank[22] = second & 0xffff_ffff | first << 32;
        self.labels = if is_mpls(below) { 3.min(self.labels + 1) } else { 3 };
        self.look();
        true
    }

    pub(crate) fn pop_label(&mut self, ether_type: u16) -> bool {
        if !is_mpls(self.get(Field::EthType)) {
            return true;
        }
        let (more, bottom) = (is_mpls(ether_type.into()), self.get(Field::MplsBos) == 1);
        if self.labels == 0 || more && (bottom || self.labels == 1) {
            return false;
        }
        let payload = self.get(Field::MplsPayload);
        let (at, _) = self.network();
        self.bytes.splice(at..at + 6, ether_type.to_be_bytes());
        let [first, second] = [self.blank[21], self.blank[22]];
        self.blank[21] = first << 32 | second >> 32;
        self.blank[22] = second & 0xffff_ffff;
        self.labels = if more { self.labels - 1 } else { 3 };
        if !more && (!bottom || payload != u128::from(ether_type)) {
            self.blank(NETWORK);
        }
        self.look();
        true
    }

    pub(crate) fn push_backbone(&mut self) -> bool {
        let below = self.get(Field::EthType);
        if is_tag(below as u16) {
            return false;
        }
        let service = if below == 0x88e7 { self.get(Field::PbbIsid) as u32 } else { 0 };
        let priority = self.tags().first().map_or(0, |tag| u32::from(tag >> 13));
        let addresses = self.bytes[..12].to_vec();
        let tag = priority << 29 | service;
        self.bytes.splice(0..0, [&addresses[..], &[0x88, 0xe7], &tag.to_be_bytes()].concat());
        if below == 0x88e7 {
            self.blank(LABELS);
            self.blank(NETWORK);
            self.labels = 0;
        }
        for (word, bits) in SERVICE {
            self.blank[*word] &= !bits;
        }
        self.inside = true;
        self.see_tags();
        self.look();
        true
    }

    pub(crate) fn pop_backbone(&mut self) -> bool {
        if self.get(Field::EthType) != 0x88e7 {
            return true;
        }
        if !self.inside || self.get(Field::CustomerType) == 0x88e7 {
            return false;
        }
        let (at, _) = self.network();
        self.bytes.drain(..at + 6);
        self.see_tags();
        self.look();
        true
    }

    pub(crate) fn count_down(&mut self, field: Field) -> bool {
        if !self.has(field) {
            return true;
        }
        if field == Field::MplsTtl && self.labels == 0 {
            return false;
        }
        let ttl = self.get(field);
        if ttl > 1 {
            self.force(field, ttl - 1, 0xff);
        }
        ttl > 1
    }

    pub(crate) fn copy_ttl(&mut self, inwards: bool) -> bool {
        if !is_mpls(self.get(Field::EthType)) {
            return true;
        }
        let bottom = self.get(Field::MplsBos) == 1;
        if self.labels == 0 || !bottom && self.labels == 1 {
            return false;
        }
        let inner = match self.get(Field::MplsPayload) {
            _ if !bottom => Field::InnerMplsTtl,
            0x0800 | 0x86dd => Field::NwTtl,
            _ => return true,
        };
        let (from, to) = if inwards { (Field::MplsTtl, inner) } else { (inner, Field::MplsTtl) };
        self.force(to, self.get(from), 0xff);
        true
    }
}
