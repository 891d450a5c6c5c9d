//! Ten thousand connections on one thread: the core, `mio`, and a heap of deadlines. Each opens a session,
//! authenticates, sends a message of which one recipient is refused, idles until all have done so, and says QUIT.
//!
//! `cargo run --release --example many` brings its server along, on a second thread. Each connection takes a file
//! descriptor on both sides; where a process may not have so many (`ulimit -n`), the server runs in another:
//!
//! ```sh
//! cargo run --release --example many -- --listen 127.0.0.1:2525 &
//! cargo run --release --example many -- --server 127.0.0.1:2525
//! ```

pub mod client;
pub mod deadlines;
pub mod server;
mod session;

use std::error::Error;
use std::net::SocketAddr;

use clap::Parser;
use mio::net::TcpListener;

/// Sends a message on each of many connections at once, from one thread.
#[derive(Parser)]
struct Arguments {
    /// How many connections
    #[arg(long, default_value_t = 10_000)]
    connections: usize,

    /// The address of a server that was started with `--listen`; without it the example brings one along
    #[arg(long, value_name = "ADDRESS")]
    server: Option<SocketAddr>,

    /// Be the server, at this address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "server")]
    listen: Option<SocketAddr>,
}

/// File descriptors besides those of the connections.
const OTHER_FILES: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(address) = arguments.listen {
        return Ok(server::run(TcpListener::bind(address)?)?);
    }
    let sides = if arguments.server.is_some() { 1 } else { 2 };
    let files = arguments.connections * sides + OTHER_FILES;
    if let Some(allowed) = allowed_files().filter(|&allowed| allowed < files) {
        return Err(format!(
            "{files} file descriptors are needed and {allowed} allowed: raise that with `ulimit -n {files}`, \
             or run the server in a process of its own (--listen ADDRESS, and here --server ADDRESS)"
        )
        .into());
    }
    let address = match arguments.server {
        Some(address) => address,
        None => server::start()?,
    };
    print!("{}", client::run(address, arguments.connections)?);
    Ok(())
}

/// How many file descriptors this process may have, where the system tells.
fn allowed_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
