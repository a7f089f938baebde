//! Control.

pub mod attach;
pub mod demo;
pub mod lab;
pub mod netlink;
pub mod text;
