//! The clocks of a measurement, and what becomes of its samples.

use std::time::Instant;

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::Result;
use crate::contestant::Session;

/// Microseconds a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    pub(crate) wall: f64,
    /// Processor time of the client's thread.
    pub(crate) client: f64,
    /// Processor time of both ends: on one core, the time on the wall but for what others take of it.
    pub(crate) both: f64,
}

/// Takes samples of sessions with one server.
pub(crate) struct Clocks {
    server: ClockId,
}

impl Clocks {
    pub(crate) fn new(server_process: u32) -> Result<Self> {
        Ok(Self { server: clock_getcpuclockid(Pid::from_raw(server_process.try_into()?))? })
    }

    pub(crate) fn sample(&self, session: &mut dyn Session, count: usize) -> Result<Sample> {
        let (wall, client, server) = (Instant::now(), thread_time()?, seconds(self.server)?);
        session.send(count)?;
        let (wall, client) = (wall.elapsed().as_secs_f64(), thread_time()? - client);
        let each = |seconds: f64| seconds * 1e6 / count as f64;
        let both = client + seconds(self.server)? - server;
        Ok(Sample { wall: each(wall), client: each(client), both: each(both) })
    }
}

fn thread_time() -> Result<f64> {
    seconds(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn seconds(clock: ClockId) -> Result<f64> {
    let time = clock_gettime(clock)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => (values[len / 2 - 1] + values[len / 2]) / 2.0,
    }
}

pub(crate) fn minimum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::INFINITY, f64::min)
}
