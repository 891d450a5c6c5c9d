//! Runs a target without a fuzzer, many times as often in the same time: `soak TARGET EXECUTIONS SEED FOLDER...`.
//!
//! Inputs are those of the folders and the words of the dictionary, changed at random, the same ones for the same seed.
//! Nothing watches what code they reach: the folders should hold what a fuzzer has found. An input that fails is
//! written to `artifacts/`, for `replay`.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs, io, iter, panic};

use fastrand::Rng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().expect("a target");
    let (target, most): (fn(&[u8]), usize) = match name.as_str() {
        "reply" => (smtp_fuzz::reply, 64),
        "data" => (smtp_fuzz::data, 64),
        "command" => (smtp_fuzz::command, 128),
        "ehlo" => (smtp_fuzz::ehlo, 128),
        "sasl" => (smtp_fuzz::sasl, 200),
        "session" => (smtp_fuzz::session, 200),
        other => panic!("no target {other:?}"),
    };
    let mut number = || arguments.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
    let (executions, seed) = (number(), number());
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut soak = Soak {
        rng: Rng::with_seed(seed),
        inputs: arguments.map(|folder| files(Path::new(&folder))).collect::<io::Result<Vec<_>>>()?.concat(),
        words: words(&fs::read_to_string(home.join("dictionaries").join(&name).with_extension("dict"))?),
        most,
    };
    assert!(!soak.inputs.is_empty(), "no inputs in these folders");
    keep_what_fails(home.join("artifacts").join(&name), seed);

    println!("{name}: {} inputs, {} words", soak.inputs.len(), soak.words.len());
    let start = Instant::now();
    let mut octets = 0;
    for done in 1..=executions {
        INPUT.with_borrow_mut(|input| soak.next(input));
        INPUT.with_borrow(|input| {
            octets += input.len() as u64;
            target(input);
        });
        if done.is_power_of_two() || done % (1 << 24) == 0 || done == executions {
            let seconds = start.elapsed().as_secs_f64();
            println!("{done} executions, {seconds:.0} s, {:.0} octets each", octets as f64 / done as f64);
        }
    }
    Ok(())
}

struct Soak {
    rng: Rng,
    inputs: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    /// Octets that an input has at most.
    most: usize,
}

impl Soak {
    /// One of the inputs, with a few changes; now and then with a line as long as lines may be, or longer.
    fn next(&mut self, input: &mut Vec<u8>) {
        input.clear();
        input.extend_from_slice(&self.inputs[self.rng.usize(..self.inputs.len())]);
        // Most faults show in few octets, and those are soon tried.
        let most = self.most >> self.rng.u8(..3);
        loop {
            self.change(input);
            input.truncate(most);
            if self.rng.u8(..5) < 2 {
                break;
            }
        }
        if self.rng.u16(..2048) == 0 {
            let (at, len) = (self.rng.usize(..=input.len()), self.rng.usize(980..1020));
            input.splice(at..at, iter::repeat_n(b'a', len));
        }
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.rng.usize(..=input.len());
        let upto = input.len().min(at + self.rng.usize(..8));
        match self.rng.u8(..8) {
            0 => drop(input.drain(at..upto)),
            1 => input.insert(at, self.rng.u8(..)),
            2 if at < input.len() => input[at] = self.rng.u8(..),
            3 if at < input.len() => input[at] ^= 1 << self.rng.u8(..8),
            4 => {
                let copied = input[at..upto].to_vec();
                let to = self.rng.usize(..=input.len());
                input.splice(to..to, copied);
            }
            5 => {
                let word = &self.words[self.rng.usize(..self.words.len())];
                input.splice(at..at, word.iter().copied());
            }
            6 => {
                let word = &self.words[self.rng.usize(..self.words.len())];
                input.splice(at..upto, word.iter().copied());
            }
            _ => {
                let other = &self.inputs[self.rng.usize(..self.inputs.len())];
                input.truncate(at);
                input.extend_from_slice(&other[self.rng.usize(..=other.len())..]);
            }
        }
    }
}

/// What the files of a folder, and of those in it, hold.
fn files(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            all.extend(files(&entry.path())?);
        } else {
            all.push(fs::read(entry.path())?);
        }
    }
    Ok(all)
}

/// The words of a libFuzzer dictionary: one to a line in quotes, octets as `\xhh`.
fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let lines = dictionary.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    lines.map(word).collect()
}

fn word(mut text: &str) -> Vec<u8> {
    let mut word = Vec::new();
    while let Some(octet) = text.bytes().next() {
        let escaped = text.strip_prefix("\\x").map(|rest| rest.split_at(2));
        match (escaped, text.strip_prefix('\\')) {
            (Some((digits, rest)), _) => {
                word.push(u8::from_str_radix(digits, 16).expect("two digits"));
                text = rest;
            }
            (None, Some(rest)) => {
                word.extend(rest.bytes().next());
                text = &rest[1..];
            }
            (None, None) => {
                word.push(octet);
                text = &text[1..];
            }
        }
    }
    word
}

/// A panic writes the input down before anything else.
fn keep_what_fails(folder: PathBuf, seed: u64) {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |cause| {
        let path = folder.join(format!("soak-{seed}"));
        let written = INPUT.with_borrow(|input| {
            eprintln!("{}", input.escape_ascii());
            fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input))
        });
        match written {
            Ok(()) => eprintln!("written to {}", path.display()),
            Err(error) => eprintln!("not written to {}: {error}", path.display()),
        }
        tell(cause);
    }));
}
