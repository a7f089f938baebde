//! Control.

pub mod lab;
