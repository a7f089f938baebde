use super::*;
use crate::flow::Field::*;

fn option(index: u16, len: u8) -> Mapping {
    Mapping { class: 0x102, kind: index as u8, len, index }
}

fn map(options: &[(u16, u8)]) -> OptionMap {
    let mut map = OptionMap::default();
    for (index, len) in options {
        map.add(option(*index, *len)).unwrap();
    }
    map
}

fn pieces(map: &OptionMap, index: u16) -> Vec<Field> {
    map.pieces(index).collect()
}

#[test]
fn a_field_consists_of_pieces_that_are_fields() {
    let map = map(&[(0, 4), (5, 8), (7, 20), (63, 12)]);
    assert_eq!(pieces(&map, 0), [Option0]);
    assert_eq!(pieces(&map, 5), [OptionPair1]);
    assert_eq!(pieces(&map, 7), [Option5, OptionQuad3]);
    // Beside what the others have left.
    assert_eq!(pieces(&map, 63), [Option11, OptionPair6].map(|field| field));
    assert_eq!(pieces(&map, 1), []);
    assert_eq!((map.owner(OptionQuad3), map.owner(Option5)), (Some((7, 0)), Some((7, 128))));
    assert_eq!((map.owner(Option4), map.owner(NwSrc)), (None, None));
}

#[test]
fn every_bit_of_every_length_is_in_one_piece() {
    for len in (4..=64).step_by(4) {
        let map = map(&[(3, len)]);
        let pieces = pieces(&map, 3);
        let bits: u32 = pieces.iter().map(|piece| u32::from(piece.slot().bits)).sum();
        assert_eq!(bits, u32::from(len) * 8);
        let mut key = FlowKey::default();
        for piece in &pieces {
            key.set(*piece, Field::max(*piece));
            assert_eq!(map.presence_of(*piece), map.presence(3).unwrap());
        }
        let ones: u32 = key.options().iter().map(|word| word.count_ones()).sum();
        assert_eq!(ones, bits, "{len}: no two pieces share a bit");
        let begins: Vec<_> = pieces.iter().map(|piece| map.owner(*piece).unwrap().1).collect();
        assert!(begins.is_sorted_by(|a, b| a > b) && begins.last() == Some(&0), "{len}: {begins:?}");
    }
}

#[test]
fn single_units_leave_room_for_longer_options() {
    let map = map(&[(0, 4), (1, 4), (2, 8), (3, 4), (4, 40), (5, 4)]);
    assert_eq!(map.clone().add(option(6, 4)), Err(Unmapped::Full));
    assert_eq!(map.len_max(), 64 + 6 * 4);
}

#[test]
fn what_cannot_be_mapped_is_refused_and_changes_nothing() {
    let mut map = map(&[(0, 4), (1, 60)]);
    let before = map.clone();
    for (mapping, why) in [
        (option(64, 4), Unmapped::BadIndex),
        (option(2, 0), Unmapped::BadLength),
        (option(2, 6), Unmapped::BadLength),
        (option(2, 128), Unmapped::BadLength),
        (option(0, 4), Unmapped::Taken),
        (Mapping { index: 2, ..option(0, 4) }, Unmapped::Duplicate),
        (option(2, 4), Unmapped::Full),
    ] {
        assert_eq!(map.add(mapping), Err(why), "{mapping}");
    }
    assert_eq!(map, before);
    assert_eq!(map.remove(1), Some(option(1, 60)));
    assert_eq!(map.remove(1), None);
    assert_eq!(map.add(option(2, 4)), Ok(()));
}

#[test]
fn options_of_a_header_are_read_into_a_key() {
    let map = map(&[(0, 4), (1, 12)]);
    let header = [
        &[0x05, 0, 0x65, 0x58, 0, 0, 7, 0][..],
        &[0x01, 0x02, 0x01, 0x03, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        &[0x01, 0x02, 0x00, 0x01, 0xde, 0xad, 0xbe, 0xef],
    ]
    .concat();
    let header = [&[0x06][..], &header[1..]].concat();
    let view = geneve::View::parse(&header).unwrap();
    let (mut known, mut key) = (Options::default(), FlowKey::default());
    assert_eq!(map.read(view.options(), &mut known), Ok(()));
    known.put(&mut key);
    let values: Vec<_> = map.pieces(1).map(|piece| key.get(piece)).collect();
    assert_eq!(values, [0x0001_0203, 0x0405_0607_0809_0a0b]);
    assert_eq!(map.pieces(0).map(|piece| key.get(piece)).collect::<Vec<_>>(), [0xdead_beef]);
    assert_eq!(key.get(Field::OptionPresence) as u16, map.presence(0).unwrap() | map.presence(1).unwrap());
}

#[test]
fn a_mapping_is_written_as_ovs_ofctl_does() {
    let text = Mapping { class: 0xffff, kind: 0x80, len: 8, index: 12 }.to_string();
    assert_eq!(text, "{class=0xffff,type=0x80,len=8}->tun_metadata12");
}
