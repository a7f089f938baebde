//! By which devices the host reaches the rest of the world, and so which ones nobody should flood.

use super::kernel::Kernel;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage, RouteType};
use std::collections::BTreeSet;

/// The numbers of the devices that a default route leads to, and of those under them: the members of a bridge or a bond, what a
/// VLAN lies on. In the network namespace of the calling thread.
///
/// # Errors
/// When netlink cannot be used.
pub async fn default_ways() -> anyhow::Result<BTreeSet<u32>> {
    let kernel = Kernel::open()?;
    let mut ways: BTreeSet<u32> =
        kernel.routes().await?.iter().filter(|route| is_default(route)).flat_map(out).collect();
    let links = kernel.links().await?;
    // Each round goes one device deeper.
    loop {
        let known = ways.len();
        for link in &links {
            for attribute in &link.attributes {
                match attribute {
                    LinkAttribute::Controller(upper) if ways.contains(upper) => {
                        ways.insert(link.header.index);
                    }
                    LinkAttribute::Link(lower) if ways.contains(&link.header.index) => {
                        ways.insert(*lower);
                    }
                    _ => {}
                }
            }
        }
        if ways.len() == known {
            return Ok(ways);
        }
    }
}

fn is_default(route: &RouteMessage) -> bool {
    route.header.destination_prefix_length == 0 && route.header.kind == RouteType::Unicast
}

fn out(route: &RouteMessage) -> Vec<u32> {
    let devices = route.attributes.iter().flat_map(|attribute| match attribute {
        RouteAttribute::Oif(device) => vec![*device],
        RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| hop.interface_index).collect(),
        _ => Vec::new(),
    });
    devices.collect()
}
