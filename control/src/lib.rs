//! Control.

pub mod attach;
pub mod lab;
pub mod netlink;
