//! The plan of the house, read out of the sources: which module names which, and where unsafe code lives.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module names only itself and those before it.
const ORDER: [&str; 9] = ["stats", "wire", "mem", "port", "flow", "tunnel", "action", "pipeline", "worker"];

/// The only files with unsafe code. The rings and the memory of frames are in `af_xdp`, a crate of its own.
const ROOMS: [&str; 4] = ["mem/prefetch.rs", "port/packet/sys.rs", "stats/cycles.rs", "worker/wide.rs"];

/// Arrows that are no part of the plan and are known: a module, the one it names, and why that is so.
const KNOWN: [(&str, &str, &str); 0] = [];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path from `src`, and its text without comments and strings.
fn sources() -> Vec<(String, String)> {
    let mut folders = vec![root()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("below src").to_str().expect("a plain name");
                sources.push((name.to_owned(), code(&fs::read_to_string(&path).expect("a source"))));
            }
        }
    }
    assert!(sources.len() > 20, "all sources were found: {}", sources.len());
    sources
}

/// The text without what stands behind `//`.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The modules that this text names from the crate's root: `crate::x`, and each `x` of `crate::{x, y::z}`.
fn named(text: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    text.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            None => vec![word(rest)],
            Some(list) => heads(list).iter().map(|head| word(head)).collect(),
        })
        .collect()
}

/// The parts of a list in braces, up to the brace that ends it.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().expect("at least one part").push(c),
        }
    }
    parts
}

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == module)
}

#[test]
fn each_module_names_only_those_before_it() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let module = file.split(['/', '.']).next().expect("a first part");
        if module == "lib" {
            continue;
        }
        let here = place(module).unwrap_or_else(|| panic!("{file}: {module} is in no place of the order"));
        for name in named(&text) {
            let known = KNOWN.iter().any(|(from, to, _)| (*from, *to) == (module, name.as_str()));
            match place(&name) {
                Some(there) if there <= here || known => {}
                _ => wrong.push(format!("{file} names crate::{name}")),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "the order is {ORDER:?}");
}

#[test]
fn every_module_of_the_crate_has_a_place() {
    let text = fs::read_to_string(root().join("lib.rs")).expect("lib.rs");
    let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    for module in modules {
        assert!(place(module).is_some(), "{module}");
    }
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    let is_unsafe =
        |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe");
    for (file, text) in sources() {
        assert_eq!(is_unsafe(&text), ROOMS.contains(&file.as_str()), "{file}");
    }
}

#[test]
fn names_are_found_in_every_form() {
    let text =
        "use crate::wire::udp; // crate::worker\nuse crate::{\n mem::{Frame, x}, port\n}; crate::stats::X";
    assert_eq!(named(&code(text)), ["wire", "mem", "port", "stats"]);
}
