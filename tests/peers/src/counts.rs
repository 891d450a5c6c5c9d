//! System calls and user-space instructions a message: what does not depend on who else uses the machine.
//!
//! The contestant runs in a process of its own under `strace` or `valgrind`, with some messages and then with
//! more of them; what connecting and starting cost falls out of the difference. Without the tool there is no figure.

use std::net::SocketAddr;
use std::process::{Command, Output};

use crate::Result;
use crate::contestant::Contestant;
use crate::table::figure;

/// Messages of the shorter and of the longer run. Windows of 16 come out even.
const RUNS: [usize; 2] = [32, 160];

/// System calls a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Syscalls {
    all: f64,
    writes: f64,
}

impl Syscalls {
    /// `None` where there is no strace, or it may not trace.
    pub(crate) fn of(contestant: &Contestant, server: SocketAddr, recipients: usize) -> Option<Self> {
        let run = |messages| {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-c", "-U", "name,calls", "-o", "/dev/stdout"]);
            let output = output(strace, contestant, server, recipients, messages)?;
            let report = String::from_utf8_lossy(&output.stdout).into_owned();
            let calls = |names: &[&str]| -> f64 {
                let rows = report
                    .lines()
                    .filter_map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().ok());
                rows.filter(|[name, _]: &[&str; 2]| names.contains(name))
                    .filter_map(|[_, calls]| calls.parse::<f64>().ok())
                    .sum()
            };
            let all = calls(&["total"]);
            (all > 0.0).then(|| Self { all, writes: calls(&["write", "writev", "sendto", "sendmsg"]) })
        };
        let [less, more] = [run(RUNS[0])?, run(RUNS[1])?];
        let each = |less: f64, more: f64| (more - less) / (RUNS[1] - RUNS[0]) as f64;
        Some(Self { all: each(less.all, more.all), writes: each(less.writes, more.writes) })
    }

    /// `1 / 100 (1 / 1)`: all of them with one recipient and with many, and the writes among them.
    pub(crate) fn cell(each: &[Option<Self>]) -> String {
        let cell = |figure_of: fn(&Self) -> f64| {
            let figures = each.iter().map(|counts| match counts {
                // Some are of the runtime and come once in a while.
                Some(counts) if figure_of(counts).fract().abs() < 0.05 => format!("{:.0}", figure_of(counts)),
                Some(counts) => figure(figure_of(counts)),
                None => "–".to_owned(),
            });
            figures.collect::<Vec<_>>().join(" / ")
        };
        format!("{} ({})", cell(|counts| counts.all), cell(|counts| counts.writes))
    }
}

/// Instructions a message in user space, in thousands; `None` where there is no valgrind.
pub(crate) fn instructions(contestant: &Contestant, server: SocketAddr, recipients: usize) -> Option<f64> {
    let run = |messages| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let output = output(valgrind, contestant, server, recipients, messages)?;
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, collected) = report.rsplit_once("Collected : ")?;
        collected.split_whitespace().next()?.parse::<f64>().ok()
    };
    let [less, more] = [run(RUNS[0])?, run(RUNS[1])?];
    Some((more - less) / (RUNS[1] - RUNS[0]) as f64 / 1e3)
}

/// Runs a contestant alone under a tool.
fn output(
    mut tool: Command,
    contestant: &Contestant,
    server: SocketAddr,
    recipients: usize,
    messages: usize,
) -> Option<Output> {
    tool.arg(std::env::current_exe().ok()?).args(["run", contestant.name, &server.to_string()]);
    tool.args(["--recipients", &recipients.to_string(), "--messages", &messages.to_string()]);
    tool.output().ok().filter(|output| output.status.success())
}

/// What `run` does: the part that the tools look at.
pub(crate) fn run(
    contestant: &Contestant,
    server: SocketAddr,
    job: &crate::job::Job,
    messages: usize,
) -> Result {
    (contestant.open)(server, job)?.send(messages)
}
