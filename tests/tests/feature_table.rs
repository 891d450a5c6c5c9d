//! The table in README.md says which test shows each feature: each of them has to exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

/// Where a short name leads.
fn file(name: &str) -> String {
    match name.split_once('/') {
        Some(_) => name.to_owned(),
        None => format!("tests/tests/{name}.rs"),
    }
}

/// The names between backquotes that look like `place::test`.
fn named(table: &str) -> Vec<(&str, &str)> {
    let quoted = table.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| name.rsplit_once("::").filter(|(_, test)| is_test(test))).collect()
}

fn is_test(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.contains('_')
}

#[test]
fn every_test_named_in_the_table_of_features_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let table = readme.split("\n## Features\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let named = named(table);
    assert!(named.len() > 30, "only {} tests are named", named.len());
    for (place, test) in named {
        let path = root.join(file(place));
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(source.contains(&format!("fn {test}(")), "{} has no {test}", path.display());
    }
}
