//! Every case is a test of its own name: `cargo test -p pcap-tests --test cases vlan`.
//!
//! `BLESS=1` writes the counters of all cases anew; the difference is reviewed like code. Captures are never written from
//! what came out: `make_cases.py` makes them.

use libtest_mimic::{Arguments, Failed, Trial};
use pcap_tests::Case;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let cases = Case::all().expect("the directory of cases can be read");
    assert!(!cases.is_empty(), "there are no cases");
    let trials = cases.into_iter().map(|case| {
        Trial::test(case.name.clone(), move || {
            let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cases").join(&case.name);
            // What another run left there is no output of this one.
            if out.exists() {
                fs::remove_dir_all(&out)?;
            }
            case.check(&out, bless).map_err(|error| Failed::from(format!("{error:#}")))
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
