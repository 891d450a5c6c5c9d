//! `CASES.md` lists what the client has to do when something goes wrong: each number there is carried by a test, and
//! no test carries a number that is not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

/// The numbers of the page, in its order.
fn listed(page: &str) -> Vec<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    rows.filter(|word| is_number(word)).map(str::to_lowercase).collect()
}

/// A series in letters, a number in digits.
fn is_number(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = word.len() - digits.len();
    (1..=3).contains(&letters) && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Every test of the workspace, by name.
fn tests(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            found.extend(named(&source));
        }
    }
}

/// The functions that an attribute `#[test]` or `#[tokio::test]` stands above.
fn named(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        let signature = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        match signature.and_then(|rest| rest.split('(').next()) {
            Some(name) if is_test => names.push(name.to_owned()),
            _ => {}
        }
        is_test = line.starts_with("#[test]")
            || line.starts_with("#[tokio::test")
            || (is_test && (line.starts_with("#[") || line.starts_with("//")));
    }
    names
}

/// The numbers at the start of a test's name.
fn carried(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').take_while(|word| is_number(word))
}

#[test]
fn every_case_has_a_test_and_every_number_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("tests/CASES.md")).unwrap();
    let mut shown: BTreeMap<String, Vec<String>> =
        listed(&page).into_iter().map(|case| (case, Vec::new())).collect();
    assert!(shown.len() > 170, "only {} cases are listed", shown.len());

    let mut names = Vec::new();
    for folder in ["smtp-proto/src", "smtp-blocking", "smtp-tokio", "tests/src", "tests/tests"] {
        tests(&root.join(folder), &mut names);
    }
    for name in &names {
        for case in carried(name) {
            match shown.get_mut(case) {
                Some(tests) => tests.push(name.clone()),
                None => panic!("{name} carries {case}, which CASES.md does not list"),
            }
        }
    }
    for (case, tests) in &shown {
        println!("{case}: {}", tests.join(", "));
    }
    let bare: Vec<&String> =
        shown.iter().filter(|(_, tests)| tests.is_empty()).map(|(case, _)| case).collect();
    assert!(bare.is_empty(), "no test carries {bare:?}");
    println!("cases: {}", shown.len());
}

#[test]
fn a_test_is_told_from_another_function() {
    let source = "fn a01_helper() {}\n#[test]\nfn a02_case() {}\n#[tokio::test(start_paused = true)]\n\
        async fn a03_case() {}\n#[test]\n#[should_panic]\nfn a04_a05_case() {}\nfn a06_helper() {}\n";
    assert_eq!(named(source), ["a02_case", "a03_case", "a04_a05_case"]);
    assert_eq!(carried("a04_a05_case_a07").collect::<Vec<_>>(), ["a04", "a05"]);
}
