//! Buckets that are put into a group or taken out of it, as ovs-ofctl(8) writes it for insert-buckets and remove-buckets:
//! `group_id=1,command_bucket_id=last,bucket=bucket_id:7,output:3`. One request a line.

use super::actions::{Known, There, read_group_id};
use super::diagnostic::Diagnostic;
use super::groups::Drafts;
use super::ports::PortNames;
use super::scan::{Fault, Span, Words};
use super::value::read_number;
use super::{FAULTS_MAX, bounded, words};
use crate::ofproto::{BucketChange, BucketMod, BucketPlace};
use datapath::pipeline::{Group, GroupKind};

/// Requests of one text.
const REQUESTS_MAX: usize = 10_000;

/// Reads a text of requests; `insert`: buckets are put in, else taken out. All faults are reported, in order.
///
/// # Errors
/// Every fault.
pub fn parse_bucket_requests(
    source_name: &str,
    text: &str,
    insert: bool,
    ports: &dyn PortNames,
) -> Result<Vec<BucketMod>, Vec<Diagnostic>> {
    let known = Known { ports, there: There::default() };
    let (mut requests, mut faults) = (Vec::new(), Vec::new());
    for (line, number) in text.lines().zip(1u32..) {
        let request = line.split('#').next().unwrap_or_default();
        if request.trim().is_empty() {
            continue;
        }
        let place = Span { text: request, at: 0 };
        let read = match requests.len() {
            REQUESTS_MAX => Err(place.cut(0, 0).fault(format!("too many requests: at most {REQUESTS_MAX}"))),
            _ => read_request(place, insert, known),
        };
        match read {
            Ok(request) => requests.push(request),
            Err(Fault { at, len, message }) => {
                faults.push(Diagnostic::on_line(source_name, number, line, at, len, message));
            }
        }
        if faults.len() == FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() { Ok(requests) } else { Err(faults) }
}

fn read_request<'a>(text: Span<'a>, insert: bool, known: Known<'a>) -> Result<BucketMod, Fault> {
    bounded(text.text)?;
    let (mut id, mut place) = (None, None);
    let mut buckets = Drafts::default();
    let mut words = Words::of(text);
    while let Some(word) = words.next()? {
        match word.key.text {
            key if insert && buckets.are_meant(key) => words = buckets.word(text, word, words, known)?,
            "group_id" if id.is_none() => id = Some(read_group_id(word.argument()?)?),
            "command_bucket_id" if place.is_none() => place = Some(read_place(word.argument()?, insert)?),
            key @ ("group_id" | "command_bucket_id") => {
                return Err(word.key.fault(format!("{key} is given twice")));
            }
            key => {
                let known = match insert {
                    true => "group_id, command_bucket_id and bucket",
                    false => "group_id and command_bucket_id",
                };
                return Err(word.key.fault(format!("{key:?} does not belong here: {known} do")));
            }
        }
    }
    let Some(group) = id else { return Err(text.fault("which group? it needs group_id=...")) };
    if !insert {
        return Ok(BucketMod { group, change: BucketChange::Remove(place.unwrap_or(BucketPlace::All)) });
    }
    let Some(place) = place else {
        return Err(text.fault("where to? it needs command_bucket_id=first, last or a bucket's number"));
    };
    if buckets.is_empty() {
        return Err(text.fault("which buckets? it needs bucket=..."));
    }
    // What kind of group it is, is not said; as one that selects they may have weights.
    let buckets = buckets.finish(GroupKind::Select)?;
    let buckets = Group::new(GroupKind::Select, buckets);
    Ok(BucketMod { group, change: BucketChange::Insert(place, buckets) })
}

fn read_place(text: Span<'_>, insert: bool) -> Result<BucketPlace, Fault> {
    match text.text {
        "first" => Ok(BucketPlace::First),
        "last" => Ok(BucketPlace::Last),
        "all" if insert => Err(text.fault("buckets are put in at one place: first, last or behind a number")),
        "all" => Ok(BucketPlace::All),
        number => match read_number(number, words::BUCKET_ID_MAX.into()) {
            Ok(id) => Ok(BucketPlace::Id(id as u32)),
            Err(message) => Err(text.fault(format!("{message}; or first, last, all"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::NoNames;
    use super::*;

    fn read(text: &str, insert: bool) -> Result<BucketMod, String> {
        let read = parse_bucket_requests("text", text, insert, &NoNames);
        read.map(|mut all| all.remove(0)).map_err(|faults| faults[0].message.clone())
    }

    #[test]
    fn buckets_go_where_it_is_said() {
        let BucketMod { group, change } = read(
            "group_id=5,command_bucket_id=last,bucket=bucket_id:7,weight:3,output:2,bucket=output:1",
            true,
        )
        .unwrap();
        let BucketChange::Insert(place, of) = change else { panic!("{change:?}") };
        let seen: Vec<_> = of.buckets.iter().map(|bucket| (bucket.id, bucket.weight)).collect();
        assert_eq!((group.0, place, seen), (5, BucketPlace::Last, vec![(7, 3), (0, 1)]));
        let place = |text: &str| read(text, false).map(|read| read.change);
        assert_eq!(place("group_id=5"), Ok(BucketChange::Remove(BucketPlace::All)));
        assert_eq!(place("group_id=5,command_bucket_id=9"), Ok(BucketChange::Remove(BucketPlace::Id(9))));
        assert_eq!(place("command_bucket_id=first group_id=5"), Ok(BucketChange::Remove(BucketPlace::First)));
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        for text in [
            "group_id=5,bucket=1",
            "group_id=5,command_bucket_id=last",
            "command_bucket_id=last,bucket=1",
            "group_id=5,command_bucket_id=all,bucket=1",
            "group_id=5,command_bucket_id=4294967041,bucket=1",
            "group_id=5,type=all,command_bucket_id=last,bucket=1",
            "group_id=5,command_bucket_id=last,bucket=",
            "group_id=5,group_id=6,command_bucket_id=last,bucket=1",
        ] {
            assert!(read(text, true).is_err(), "{text}");
        }
        for text in ["command_bucket_id=last", "group_id=5,bucket=1", "group_id=5,command_bucket_id=next"] {
            assert!(read(text, false).is_err(), "{text}");
        }
    }
}
