//! Control.

pub mod lab;
pub mod netlink;
